"""Whether an archive comes out whole, whatever happens to its job: many formats, broken files, kills at random.

python -m benchmarks.archive CLIP... --work FOLDER [--files 60] [--kills 10]

From the clips an archive is made with FFmpeg's command: cuts, loops and other sizes in eight formats, and some files
that are cut off, empty or no video. One job does it undisturbed. Another is killed (SIGKILL) at random again and again,
and then finished. Both must have the same results, line by line, the same tables and the same overlays; a plain recount
of the lines must give what `maskinfer report` says; and every broken file must be told with its reason, each time.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from maskinfer.engine.files.jsonl import read_results
from maskinfer.engine.sinks.events import EventOptions
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules

FORMATS: dict[str, tuple[str, ...]] = {
    "mp4": ("-c:v", "libx264", "-preset", "veryfast"),
    "mkv": ("-c:v", "libx264", "-preset", "veryfast", "-bf", "2"),
    "mov": ("-c:v", "mpeg4", "-q:v", "4"),
    "avi": ("-c:v", "mjpeg", "-q:v", "4"),
    "ts": ("-c:v", "libx264", "-preset", "veryfast"),
    "webm": ("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "1M"),
    "flv": ("-c:v", "flv1", "-q:v", "4"),
    "mpg": ("-c:v", "mpeg2video", "-q:v", "4"),
}
_ENDLESS = (".mpg", ".ts", ".flv")
SIZES = ("640:-2", "480:-2", "854:-2")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for everything.")
@click.option("--files", default=60, show_default=True)
@click.option("--kills", default=10, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(clips: tuple[Path, ...], work: Path, files: int, kills: int, seed: int) -> None:
    archive = work / "archive"
    broken = make_archive(clips, archive, files, random.Random(seed))
    began = time.monotonic()
    whole = run(archive, work / "whole")
    took_s = time.monotonic() - began
    click.echo(
        f"{files} files, {len(broken)} of them broken; undisturbed in {took_s:.0f} s, exit code {whole.returncode}"
    )
    killed = run_killed(archive, work / "killed", kills, took_s, random.Random(seed))
    click.echo(f"killed {killed} times at random, then finished")
    again = run(archive, work / "killed")
    problems = [
        *differences(work / "whole", work / "killed"),
        *untold(broken, whole.stderr),
        *untold(broken, again.stderr),
    ]
    problems += recount(work / "whole")
    for problem in problems:
        click.echo(f"WRONG: {problem}")
    click.echo("nothing is wrong" if not problems else f"{len(problems)} things are wrong")
    sys.exit(bool(problems))


def make_archive(clips: Sequence[Path], archive: Path, files: int, rng: random.Random) -> list[str]:
    """Make the archive if it is not there, and return the names of those files that cannot be read to their end."""
    names = [f"{'abc'[i % 3]}/{i:02d}.{list(FORMATS)[i % len(FORMATS)]}" for i in range(files)]
    broken = [name for i, name in enumerate(names) if i % 12 == 7]
    for i, name in enumerate(names):
        path = archive / name
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        clip, start, length = clips[i % len(clips)], rng.uniform(0, 1.5), rng.uniform(1, 2.5)
        loops = ("-stream_loop", "1") if i % 5 == 4 else ()
        command = [
            "ffmpeg", "-v", "error", "-y", *loops, "-ss", f"{start:.2f}", "-i", str(clip), "-t", f"{length:.2f}",
            "-vf", f"scale={SIZES[i % len(SIZES)]}", "-an", *FORMATS[path.suffix[1:]], str(path),
        ]  # fmt: skip
        subprocess.run(command, check=True)
        if name in broken:
            # A cut cannot be told of formats that do not say how long they are.
            kind, data = 1 + i // 12 % 2 if path.suffix in _ENDLESS else i // 12 % 3, path.read_bytes()
            path.write_bytes((data[: len(data) // 8], b"", b"no video at all\n" * 50)[kind])
    return broken


def command_of(archive: Path, out: Path) -> list[str]:
    results, tables = out.with_name(f"{out.name}-results"), out.with_name(f"{out.name}-tables")
    return [
        sys.executable, "-m", "maskinfer", "video", str(archive), "-o", str(out), "--overlay", "--jobs", "2",
        "--jsonl", str(results), "--parquet", str(tables),
    ]  # fmt: skip


def run(archive: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command_of(archive, out), capture_output=True, text=True, check=False)


def run_killed(archive: Path, out: Path, kills: int, took_s: float, rng: random.Random) -> int:
    """Begin the job again and again, and kill it after a while; then let it end. Returns how often it was killed."""
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen(command_of(archive, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(3, 3 + 2 * took_s / kills))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    run(archive, out)
    return killed


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between two jobs: names of all files, lines of results, rows of tables, overlays."""
    problems = []
    for kind in ("", "-results", "-tables"):
        folders = [path.with_name(f"{path.name}{kind}") for path in (one, other)]
        names = [{str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} for folder in folders]
        problems += [f"only in one: {kind} {name}" for name in sorted(names[0] ^ names[1])]
        for name in sorted(names[0] & names[1]):
            if name.endswith((".jsonl", ".ass", ".vtt", ".parquet")) and not name.startswith("."):
                same = (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
                problems += [] if same else [f"differs: {kind} {name}"]
    return problems


def untold(broken: Sequence[str], said: str) -> list[str]:
    return [f"not told: {name}" for name in broken if f"{name} " not in said]


def recount(out: Path) -> list[str]:
    """Return where the report of the tables differs from a plain count of the lines."""
    results, tables = out.with_name(f"{out.name}-results"), out.with_name(f"{out.name}-tables")
    command = [sys.executable, "-m", "maskinfer", "report", str(tables), "--by", "file", "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    told = {row["file"]: row for row in report["rows"]}
    problems, faces = [], 0
    # As maskinfer says that its default classifier needs.
    rules = VisitRules(events=EventOptions(min_score=_least_score()), pictures=False)
    for file in sorted(results.rglob("*.jsonl")):
        name = str(file.relative_to(results)).removesuffix(".jsonl")
        book, at, people = VisitBook(name, rules, "0"), _EPOCH, Counter[str]()
        changes = []
        for result in read_results(file):
            faces += len(result.faces)
            at = _EPOCH + timedelta(seconds=result.time_s)
            changes += book.add(None, result, at)
        people.update(change.visit.label for change in (*changes, *book.close(at)) if change.kind == "ended")
        row = told.get(name, {"labels": [], "unknown": 0})
        known = {one["label"]: one["people"] for one in row["labels"] if one["people"]}
        if known | ({"uncertain": row["unknown"]} if row["unknown"] else {}) != dict(people):
            problems.append(f"report of {name}: {known}, {row['unknown']} unknown; the lines have {dict(people)}")
    if faces != report["archive"]["faces"]:
        problems.append(f"the report has {report['archive']['faces']} faces, the lines {faces}")
    click.echo(
        f"{report['total']['people']} people and {faces} faces in {report['archive']['videos']} videos, recounted"
    )
    return problems


def _least_score() -> float | None:
    from maskinfer.engine.load import load
    from maskinfer.engine.sinks.events import events_for

    return events_for(load().classifier.contract).min_score


if __name__ == "__main__":
    main()
