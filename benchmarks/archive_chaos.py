"""An archive of many small files on a cluster whose nodes are killed at random: what is lost, done twice, or different.

    python -m benchmarks.archive_chaos --clips CLIPS --work FOLDER

Real Ray nodes with addresses of their own, on this machine. One machine's results come first; then the cluster does the
same archive while nodes, the head and the command itself are killed; both are compared line by line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.helpers.ray_nodes import Nodes, ray_nodes

# Container, encoder and its options.
FORMATS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (".mp4", ("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2")),
    (".mkv", ("-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-x264-params", "open-gop=1:bframes=3")),
    (".mov", ("-c:v", "mpeg4", "-q:v", "3", "-g", "12")),
    (".avi", ("-c:v", "mjpeg", "-q:v", "4")),
    (".ts", ("-c:v", "mpeg2video", "-q:v", "3", "-g", "15", "-bf", "2")),
    (".mpg", ("-c:v", "mpeg2video", "-q:v", "3", "-g", "15", "-bf", "2")),
    (".webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-g", "30")),
    (".flv", ("-c:v", "flv1", "-q:v", "3", "-g", "12")),
)  # fmt: skip
NODES = ("127.0.0.3", "127.0.0.4", "127.0.0.5")


def make_archive(clips: Path, archive: Path, count: int, seconds: float, long_s: float) -> None:
    """Cut and encode clips in eight formats; every ninth file is broken in one of four ways."""
    chosen = random.Random(7)
    sources = sorted(path for path in clips.iterdir() if path.suffix in (".mp4", ".mkv", ".avi"))
    archive.mkdir(parents=True)
    for i in range(count):
        suffix, options = FORMATS[i % len(FORMATS)]
        source = sources[i % len(sources)]
        file = archive / f"day-{i % 3 + 1}" / f"{i:03d}-{source.stem}{suffix}"
        file.parent.mkdir(exist_ok=True)
        length = ("-stream_loop", "3", "-t", f"{long_s:g}") if i % 20 == 4 else ("-t", f"{seconds:g}")
        cut = ("-ss", f"{chosen.uniform(0, 0.5):.2f}") if length[0] == "-t" else ()
        before, after = (length[:2], length[2:]) if length[0] != "-t" else ((), length)
        command = ("ffmpeg", "-v", "error", "-y", *before, *cut, "-i", source, *after, "-vf", "scale=480:-2", "-an")
        subprocess.run([*map(str, command), *options, str(file)], check=True)
        if i % 9 == 7:
            break_file(file, i // 9 % 4)


def break_file(file: Path, how: int) -> None:
    data = file.read_bytes()
    middle = len(data) // 2
    broken = (
        data[: len(data) * 2 // 3],  # cut
        b"not a video at all" * 10,
        data[:middle] + os.urandom(2000) + data[middle + 2000 :],
        b"",
    )[how]
    file.write_bytes(broken)


def command(archive: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "maskinfer", "video", str(archive),
        "-o", str(out / "video"), "--jsonl", str(out / "jsonl"), *more,
    ]  # fmt: skip


def same_lines(one: Path, other: Path) -> list[str]:
    """Return the names of result files that differ, or are on one side only."""
    names = {path.relative_to(folder) for folder in (one, other) for path in folder.rglob("*.jsonl")}
    return [
        str(name) for name in sorted(names)
        if not ((one / name).is_file() and (other / name).is_file())
        or (one / name).read_bytes() != (other / name).read_bytes()
    ]  # fmt: skip


def records(out: Path) -> list[dict[str, object]]:
    file = out / "video/.maskinfer-done.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [record for record in map(json.loads, lines) if "sizes" in record]


def chaos(nodes: Nodes, run: list[str], out: Path, kills: int, seed: int) -> Iterator[str]:
    """Yield what was done to the cluster while the command ran, until it has come to its end undisturbed."""
    chance = random.Random(seed)
    process = start(run, nodes)
    try:
        for kill in range(1, kills + 1):
            wanted = len(records(out)) + chance.randint(1, 6)
            while len(records(out)) < wanted and process.poll() is None:
                time.sleep(0.2)
            time.sleep(chance.uniform(0, 2))
            if process.poll() is not None:
                yield f"the command ended by itself ({process.returncode}) after {kill - 1} kills"
                return
            what = "command" if kill % 4 == 0 else "head" if kill == 5 else chance.choice(NODES)
            yield f"kill {kill}: {what}, when {len(records(out))} videos were noted"
            if what == "command":
                process.kill()
                process.wait()
                process = start(run, nodes)
            else:
                revive(nodes, what)
        process.wait()
        yield f"the command ended ({process.returncode})"
    finally:
        process.kill()


def revive(nodes: Nodes, what: str) -> None:
    """Kill a node, or the head with all others, which do not outlive it, and start it again."""
    lost = [*NODES] if what == "head" else [what]
    for address in lost:
        nodes.kill(address)
    if what == "head":
        nodes.kill("127.0.0.2")
        nodes.start_head()
    start_all(nodes, lost)


def start_all(nodes: Nodes, addresses: Sequence[str]) -> None:
    # One after the other: those of one machine would take the same name of a socket.
    for address in addresses:
        nodes.start(address)


def start(run: list[str], nodes: Nodes) -> subprocess.Popen[bytes]:
    log = open(nodes.folder / "command.log", "ab")  # noqa: SIM115, PTH123 - the process has it
    return subprocess.Popen(run, env=nodes.environment, stdout=log, stderr=log, start_new_session=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--long", type=float, default=9.0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=6391)
    given = parser.parse_args(arguments)
    archive, alone, many = (given.work / name for name in ("archive", "alone", "many"))
    if not archive.exists():
        make_archive(given.clips, archive, given.files, given.seconds, given.long)
    if not (alone / "done").exists():
        shutil.rmtree(alone, ignore_errors=True)
        began_s = time.monotonic()
        done = subprocess.run(command(archive, alone), capture_output=True, text=True, check=False)
        print(f"one machine: {time.monotonic() - began_s:.0f} s\n{done.stderr}")
        (alone / "done").write_text(done.stderr)
    shutil.rmtree(many, ignore_errors=True)
    ray_folder = given.work / "ray"
    shutil.rmtree(ray_folder, ignore_errors=True)
    ray_folder.mkdir()
    with ray_nodes(ray_folder, given.port) as nodes:
        nodes.start_head()
        start_all(nodes, NODES)
        began_s = time.monotonic()
        for line in chaos(
            nodes, command(archive, many, "--cluster", nodes.address, "--piece", "3"), many, given.kills, given.seed
        ):
            print(f"{time.monotonic() - began_s:5.0f} s  {line}", flush=True)
    with suppress(OSError):
        print((ray_folder / "command.log").read_text(errors="replace"))
    report(archive, alone, many)


def report(archive: Path, alone: Path, many: Path) -> None:
    noted = [str(record["place"]) for record in records(many)]
    files = sum(1 for path in archive.rglob("*") if path.is_file())
    print(f"{files} files; noted as done: {len(set(noted))}; noted twice: {len(noted) - len(set(noted))}")
    print(f"results that differ from one machine's: {same_lines(alone / 'jsonl', many / 'jsonl') or 'none'}")
    one, other = ({str(record["place"]): record["problems"] for record in records(out)} for out in (alone, many))
    one = {place: [str(problem) for problem in problems] for place, problems in one.items()}  # type: ignore[attr-defined]
    print(f"records with other problems: {[place for place in one if one[place] != other.get(place)] or 'none'}")
    left = [str(path) for path in many.rglob("*") if ".part" in path.name or "maskinfer-pieces" in str(path)]
    print(f"left behind: {left or 'nothing'}")


if __name__ == "__main__":
    main()
