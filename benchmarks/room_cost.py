"""What page, store, MQTT and figures cost a watch of four cameras.

    python -m benchmarks.room_cost office720.mp4 group_720p.mp4 walking_1080p.mp4 crowd1080.mp4

Each clip becomes a camera that never ends, with few enough frames a second that all of them get a result: otherwise the
time of reading those that were left out would count. In each round the same cameras are watched three times:

- ``bare``: faces are found, labelled and followed, and visits made, which nobody keeps;
- ``room``: ``maskinfer serve`` keeps them in its store, tells mosquitto, shows its figures to somebody who reads them
  every five seconds, as Prometheus does, and serves its page;
- ``looked at``: the same, and somebody has the page Live open, which takes pictures of all cameras.

Printed is the processor time of the process for each frame that got a result, and how many frames a second did. On a
machine with other things to do the processor time is what can be compared, in turns of the same minute.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import av
import click

from maskinfer.benchmark.fake_camera import served
from maskinfer.control.settings.read import read_settings
from maskinfer.control.store.questions import CameraEventKind
from maskinfer.control.watch.watch import Watch, open_engine
from maskinfer.engine.visits.visit import VisitChange
from tests.helpers.broker import Broker

CAMERAS = 4
SCRAPE_S = 5.0
KINDS = ("bare", "room", "looked at")


class Nobody:
    """Keeps nothing; see ``Keeper``."""

    def add(self, change: VisitChange) -> None: ...

    def camera_event(self, camera: str, kind: CameraEventKind, at: datetime, reason: str) -> None: ...

    def recording_folder(self, name: str) -> Path:
        raise NotImplementedError

    def add_recording(self, camera: str, path: Path, from_at: datetime, to_at: datetime) -> None: ...

    def why_no_recording(self) -> str:
        return "nobody keeps it"


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured of one turn: milliseconds of processor time for each frame, and frames a second."""

    cpu_ms: float
    fps: float


def watch_bare(file: Path) -> None:
    """Be the process that watches without anything else; it says how many frames it has seen when a line comes in."""
    settings = read_settings(file)
    watch = Watch(open_engine(settings.models), settings, Nobody(), say=lambda line: None)
    over = threading.Event()

    def answer() -> None:
        for _ in sys.stdin:
            frames = sum(one.frames for one in watch.counted().cameras.values())
            print(frames, flush=True)
        over.set()

    threading.Thread(target=answer, daemon=True).start()
    watch.run(over.is_set, lambda: None)


@contextmanager
def bare(folder: Path) -> Iterator[tuple[int, Callable[[], int]]]:
    command = [sys.executable, "-m", "benchmarks.room_cost", "--bare", str(folder / "watch.toml"), "none"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reader, writer = process.stdout, process.stdin

        def frames() -> int:
            writer.write("?\n")
            writer.flush()
            return int(reader.readline())

        try:
            yield process.pid, frames
        finally:
            writer.close()
            process.wait(60)


@contextmanager
def room(folder: Path, page: str, *, is_looked_at: bool) -> Iterator[tuple[int, Callable[[], int]]]:
    command = [sys.executable, "-m", "maskinfer", "serve", str(folder / "watch.toml")]

    def frames() -> int:
        text = ask(f"{page}metrics").decode()
        lines = [line for line in text.splitlines() if line.startswith("maskinfer_frames_total{")]
        return round(sum(float(line.rpartition(" ")[2]) for line in lines))

    over = threading.Event()
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"watching" not in (line := process.stderr.readline()):
            if not line:
                raise click.ClickException(f"serve ended with {process.wait()}")
        jobs: list[Callable[[], Any]] = [lambda: ask(f"{page}metrics")]
        pauses_s = [SCRAPE_S]
        if is_looked_at:
            jobs += [lambda: ask(f"{page}live/now"), *(live(page, f"camera {i}") for i in range(CAMERAS))]
            pauses_s += [1.0, *[0.2] * CAMERAS]
        threads = [
            threading.Thread(target=again, args=(job, pause_s, over), daemon=True)
            for job, pause_s in zip(jobs, pauses_s, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            yield process.pid, frames
        finally:
            over.set()
            for thread in threads:
                thread.join()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def again(job: Callable[[], Any], pause_s: float, over: threading.Event) -> None:
    while not over.is_set():
        begun_s = time.monotonic()
        with suppress(OSError):
            job()
        over.wait(max(0.02, pause_s - (time.monotonic() - begun_s)))


def live(page: str, camera: str) -> Callable[[], None]:
    """Return what takes the next live picture, as the page's script does."""
    after = "0"

    def take() -> None:
        nonlocal after
        query = urlencode({"camera": camera, "after": after})
        with urllib.request.urlopen(f"{page}live.jpg?{query}", timeout=30) as answer:
            answer.read()
            after = answer.headers.get("X-Sequence", after)

    return take


def ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far, in user mode and in the system's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(kind: str, folder: Path, page: str, settle_s: float, seconds: float) -> Cost:
    opened = bare(folder) if kind == "bare" else room(folder, page, is_looked_at=kind == "looked at")
    with opened as (pid, frames):
        while not frames():
            time.sleep(0.2)
        time.sleep(settle_s)
        begun_s, cpu, count = time.monotonic(), cpu_s(pid), frames()
        time.sleep(seconds)
        cpu, count, took_s = cpu_s(pid) - cpu, frames() - count, time.monotonic() - begun_s
    return Cost(1000 * cpu / count, count / took_s)


def slowed(clip: Path, out: Path, fps: float) -> Path:
    """Write a clip's video as a transport stream with other times, packets copied."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        factor = float(stream.average_rate or fps) / fps
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.dts, packet.pts = round(packet.dts * factor), round(packet.pts * factor)
            packet.stream = copy
            target.mux(packet)
    return out


def write_settings(folder: Path, urls: Sequence[str], broker: Broker, port: int) -> None:
    cameras = "".join(
        f'[[cameras]]\nname = "camera {i}"\nurl = "{urls[i % len(urls)]}"\n'
        '[[cameras.zones]]\nname = "hall"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'
        for i in range(CAMERAS)
    )
    (folder / "watch.toml").write_text(
        f'{cameras}[models]\nthreads = 1\n[page]\nlisten = "127.0.0.1:{port}"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    )


def show(rounds: Sequence[dict[str, Cost]]) -> None:
    print(f"{'':<12} {'CPU ms a frame':>16} {'frames a second':>16} {'CPU time, over bare in its round':>34}")
    for kind in KINDS:
        costs = [one[kind] for one in rounds]
        ratios = [one[kind].cpu_ms / one["bare"].cpu_ms for one in rounds]
        spread = "" if kind == "bare" else f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        cpu, fps = median(one.cpu_ms for one in costs), median(one.fps for one in costs)
        print(f"{kind:<12} {cpu:>16.2f} {fps:>16.1f} {spread:>34}")


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=40.0, show_default=True, help="Measured in each turn, after it has settled.")
@click.option("--settle", default=6.0, show_default=True)
@click.option("--fps", default=5.0, show_default=True, help="Frames a second of each camera.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures of every turn here.")
@click.option("--bare", "bare_file", type=click.Path(path_type=Path), hidden=True)
def main(
    clips: tuple[Path, ...],
    rounds: int,
    seconds: float,
    settle: float,
    fps: float,
    json_path: Path | None,
    bare_file: Path | None,
) -> None:
    """Watch CLIPS as four cameras, with and without the rest of a control room."""
    if bare_file is not None:
        watch_bare(bare_file)
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        films = [slowed(clip, folder / f"{i}.ts", fps) for i, clip in enumerate(clips)]
        urls = [stack.enter_context(served(film)) for film in films]
        broker = Broker(folder)
        broker.start()
        stack.callback(broker.kill)
        port = broker.port + 1
        write_settings(folder, urls, broker, port)
        found: list[dict[str, Cost]] = []
        for number in range(rounds):
            costs = {kind: measure(kind, folder, f"http://127.0.0.1:{port}/", settle, seconds) for kind in KINDS}
            found.append(costs)
            said = ", ".join(f"{kind} {cost.cpu_ms:.2f} ms at {cost.fps:.1f}/s" for kind, cost in costs.items())
            print(f"round {number + 1}: {said}", flush=True)
    show(found)
    if json_path is not None:
        plain = [{kind: [cost.cpu_ms, cost.fps] for kind, cost in one.items()} for one in found]
        json_path.write_text(json.dumps(plain))


if __name__ == "__main__":
    main()
