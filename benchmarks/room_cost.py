"""What page, store, MQTT and figures cost a watch of four cameras.

    python -m benchmarks.room_cost office720.mp4 group_720p.mp4 walking_1080p.mp4 crowd1080.mp4

Each clip becomes a camera that never ends, with so few frames a second that all of them get a result. In each round the
same cameras are watched three times:

- ``bare``: faces are found, labelled and followed, and visits made, which nobody keeps;
- ``room``: ``maskinfer serve`` keeps them in its store, tells mosquitto, shows its figures to somebody who reads them
  every five seconds, as Prometheus does, and serves its page;
- ``looked at``: the same, and somebody has the page Live open, which takes small pictures of all cameras.

Printed is the processor time of the process for each frame that got a result, how many frames a second did, and which
share of the processor time the threads took that do each of these things. On a machine with other things to do, the
shares are what can be trusted: they are of one process at one time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import av
import click

from maskinfer.benchmark.fake_camera import served
from maskinfer.control.room.run import run_room
from maskinfer.control.settings.read import read_settings
from maskinfer.control.store.questions import CameraEventKind
from maskinfer.control.watch.watch import Watch, open_engine
from maskinfer.engine.drift.counts import Counts
from maskinfer.engine.visits.visit import VisitChange
from tests.helpers.broker import Broker

CAMERAS = 4
SCRAPE_S = 5.0
KINDS = ("bare", "room", "looked at")
PARTS = {r"maskinfer store": "store", r"page|AnyIO": "page and figures", r"mqtt|paho|outbox": "MQTT"}
WATCH = "reading, models, visits"


class Nobody:
    """Keeps nothing; see ``Keeper``."""

    def add(self, change: VisitChange) -> None: ...

    def camera_event(self, camera: str, kind: CameraEventKind, at: datetime, reason: str) -> None: ...

    def add_looks(self, camera: str, models: str, at: datetime, counts: Counts) -> None: ...

    def recording_folder(self, name: str) -> Path:
        raise NotImplementedError

    def add_recording(self, camera: str, path: Path, from_at: datetime, to_at: datetime) -> None: ...

    def why_no_recording(self) -> str:
        return "nobody keeps it"


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured of one turn: milliseconds of processor time a frame, frames a second, shares of the time."""

    cpu_ms: float
    fps: float
    shares: dict[str, float]


def child(kind: str, file: Path) -> None:
    """Be the process that watches; it tells what it has done for each line that comes in."""
    settings = read_settings(file)
    over = threading.Event()
    if kind == "bare":
        watch = Watch(open_engine(settings.models), settings, Nobody(), say=lambda line: None)
        follow(lambda: sum(one.frames for one in watch.counted().cameras.values()), over.set)
        watch.run(over.is_set, lambda: None)
    else:
        follow(lambda: frames_of(settings.page.listen), lambda: os.kill(os.getpid(), signal.SIGTERM))
        run_room(settings, file=file, has_page=True, say=lambda line: None)


def follow(frames: Callable[[], int], end: Callable[[], None]) -> None:
    known: dict[int, tuple[str, float]] = {}

    def sample() -> None:
        while True:
            known.update(cpu_by_thread())  # of threads that have ended, what is known last goes on counting
            time.sleep(0.5)

    def answer() -> None:
        for _ in sys.stdin:
            try:
                count = frames()
            except OSError:  # the page is not there yet
                count = 0
            known.update(cpu_by_thread())
            found: dict[str, float] = defaultdict(float)
            for part, cpu_s in list(known.values()):
                found[part] += cpu_s
            print(json.dumps({"frames": count, "cpu_s": found}), flush=True)
        end()

    for work in (sample, answer):
        threading.Thread(target=work, name="follow", daemon=True).start()


def cpu_by_thread() -> dict[int, tuple[str, float]]:
    """Return what each thread of this process does, and the seconds of processor time that it took."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found = {}
    for place in Path("/proc/self/task").iterdir():
        name = names.get(int(place.name), "")
        with suppress(OSError):  # it has ended
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            part = next((what for pattern, what in PARTS.items() if re.match(pattern, name)), WATCH)
            cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            if name != "follow":
                found[int(place.name)] = part, cpu_s
    return found


def ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def frames_of(address: str) -> int:
    text = ask(f"http://{address}/metrics").decode()
    lines = [line for line in text.splitlines() if line.startswith("maskinfer_frames_total{")]
    return round(sum(float(line.rpartition(" ")[2]) for line in lines))


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Callable[[], Any]]:
    command = [sys.executable, "-m", "benchmarks.room_cost", "--child", kind, str(folder / "watch.toml")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reader, writer = process.stdout, process.stdin

        def seen() -> Any:
            writer.write("?\n")
            writer.flush()
            return SimpleNamespace(**json.loads(reader.readline()))

        try:
            yield seen
        finally:
            writer.close()
            process.wait(60)


@contextmanager
def looking(page: str, *, is_looked_at: bool) -> Iterator[None]:
    """Read the figures as Prometheus does, and have the page Live open if that is asked for."""
    jobs: list[tuple[Callable[[], Any], float]] = [(lambda: ask(f"{page}metrics"), SCRAPE_S)]
    if is_looked_at:
        jobs += [(lambda: ask(f"{page}live/now"), 1.0), (lambda: take_pictures(page), 0.0)]
    over = threading.Event()
    threads = [threading.Thread(target=again, args=(*job, over), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def again(job: Callable[[], Any], pause_s: float, over: threading.Event) -> None:
    while not over.is_set():
        begun_s = time.monotonic()
        with suppress(OSError):
            job()
        over.wait(max(0.02, pause_s - (time.monotonic() - begun_s)))


def take_pictures(page: str) -> None:
    """Take the small pictures of all cameras as they come, as the page's script does."""
    with urllib.request.urlopen(f"{page}live/pictures", timeout=30) as answer:
        while answer.read1():
            pass


def measure(kind: str, folder: Path, page: str, settle_s: float, seconds: float) -> Cost:
    with running(kind, folder) as seen:
        while not seen().frames:
            time.sleep(0.2)
        with ExitStack() as stack:
            if kind != "bare":
                stack.enter_context(looking(page, is_looked_at=kind == "looked at"))
            time.sleep(settle_s)
            begun_s, before = time.monotonic(), seen()
            time.sleep(seconds)
            after, took_s = seen(), time.monotonic() - begun_s
    taken = {part: cpu_s - before.cpu_s.get(part, 0.0) for part, cpu_s in after.cpu_s.items()}
    total, frames = sum(taken.values()), after.frames - before.frames
    return Cost(1000 * total / frames, frames / took_s, {part: cpu_s / total for part, cpu_s in taken.items()})


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
    for kind in KINDS[1:]:
        print(f"shares of the time, {kind}:")
        for part in (WATCH, *PARTS.values()):
            shares = [100 * one[kind].shares.get(part, 0.0) for one in rounds]
            print(f"  {part:<24} {median(shares):5.1f} % ({min(shares):.1f} to {max(shares):.1f})")


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=40.0, show_default=True, help="Measured in each turn, after it has settled.")
@click.option("--settle", default=6.0, show_default=True)
@click.option("--fps", default=5.0, show_default=True, help="Frames a second of each camera.")
@click.option("--child", "kind", hidden=True)
def main(clips: tuple[Path, ...], rounds: int, seconds: float, settle: float, fps: float, kind: str | None) -> None:
    """Watch CLIPS as four cameras, with and without the rest of a control room."""
    if kind is not None:
        child(kind, clips[0])
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
            found.append({one: measure(one, folder, f"http://127.0.0.1:{port}/", settle, seconds) for one in KINDS})
            said = ", ".join(f"{one} {cost.cpu_ms:.2f} ms at {cost.fps:.1f}/s" for one, cost in found[-1].items())
            print(f"round {number + 1}: {said}", flush=True)
    show(found)


if __name__ == "__main__":
    main()
