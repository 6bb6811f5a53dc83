"""A control room for a long time, with all that goes wrong meanwhile, and what came of it.

    python -m benchmarks.soak_room /tmp/soak --minutes 60

Real RTSP cameras (Debian's GStreamer), mosquitto, Prometheus (if it is installed), a receiver of webhooks, recordings
with retention, and somebody who looks at the page. Every other minute a camera is killed for ten seconds; the broker
and the receiver are down for a tenth of the time; ``maskinfer serve`` is killed with SIGKILL after a quarter and after
half of the time, and started again. In the end memory, open files, threads and disk are compared between the beginning
and the end of the last run, and every event that the receivers got is held against the store. Ends with 1 if one of
the checks fails.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlencode

import av
import click
import cv2
import numpy as np

from maskinfer.control.store.questions import StoredVisit, VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.run import local_now
from tests.helpers.broker import Broker, Listener, listening
from tests.helpers.receiver import Receiver
from tests.helpers.rtsp import RtspServer

CAMERAS = 4
RATE = 10
SAMPLE_S = 2.0
CAMERA_EVERY_S, CAMERA_DOWN_S = 120.0, 10.0
# What happened so shortly before a kill may be lost.
LAST_S = 1.5
# Models, cameras and receivers are there after so long.
SETTLED_S = 45.0
# A listener who lost its connection is back after so long.
LISTENER_S = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process held at a time, and its store on the disk."""

    pid: int
    rss_mb: float
    threads: int
    files: int
    recordings_mb: float
    store_mb: float


@dataclass(slots=True)
class Soak:
    """All that runs, and what was noted."""

    folder: Path
    cameras: list[RtspServer]
    receiver: Receiver
    broker: Broker
    listener: Listener
    page: str
    began_s: float = field(default_factory=time.monotonic)
    process: subprocess.Popen[bytes] | None = None
    samples: list[Sample] = field(default_factory=list)
    kills: list[datetime] = field(default_factory=list)
    broker_down: list[tuple[datetime, datetime]] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)


def make_clip(path: Path, *, shift: int) -> Path:
    """Eight minutes of the portrait of scikit-image, which comes and goes every ten seconds before a noisy wall."""
    from skimage import data

    portrait: BGRFrame = np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    face = cv2.resize(portrait[:340, 60:400], (200, 200), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(shift)
    frames = []
    for step in range(10 * RATE):
        frame = rng.integers(105, 130, (240, 320, 3), dtype=np.uint8)
        if step < 5 * RATE:
            frame[30:230, 10 + step + shift : 210 + step + shift] = face
        frames.append(frame)
    with av.open(str(path), "w") as container:
        options = {"g": "10", "preset": "ultrafast", "threads": "1", "crf": "30"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for bgr in frames * 48:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(bgr, "bgr24")))
        container.mux(stream.encode())
    return path


def write_settings(soak: Soak, recordings_mb: float) -> None:
    port = soak.page.rpartition(":")[2]
    cameras = "".join(
        f'[[cameras]]\nname = "camera {i}"\nurl = "{camera.url}"\nrecord = true\nmax_fps = 5\n'
        '[[cameras.zones]]\nname = "hall"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n\n'
        for i, camera in enumerate(soak.cameras)
    )
    (soak.folder / "watch.toml").write_text(
        f'{cameras}[models]\nthreads = 1\n[page]\nlisten = "127.0.0.1:{port}"\n[recording]\nsegment_s = 20\n'
        f"[store.retention]\nrecordings = {{ max_gb = {recordings_mb / 1000} }}\n"
        f'[mqtt]\nhost = "127.0.0.1"\nport = {soak.broker.port}\n[[webhooks]]\nurl = "{soak.receiver.url}"\n'
    )


def start(soak: Soak) -> None:
    log = (soak.folder / "serve.log").open("ab")
    command = [sys.executable, "-m", "maskinfer", "serve", "watch.toml"]
    with log:
        soak.process = subprocess.Popen(command, cwd=soak.folder, stderr=log)


def kill(soak: Soak) -> None:
    assert soak.process is not None
    soak.process.kill()
    soak.process.wait()
    soak.kills.append(local_now())


def sample(soak: Soak) -> None:
    assert soak.process is not None
    pid = soak.process.pid
    if soak.process.poll() is not None:
        raise click.ClickException(f"serve ended with {soak.process.returncode}: see {soak.folder / 'serve.log'}")
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    store = soak.folder / "watch-data"
    soak.samples.append(
        Sample(
            pid,
            int(status["VmRSS"].split()[0]) / 1024,
            int(status["Threads"]),
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            size_mb(store / "recordings"),
            size_mb(store),
        )
    )


def size_mb(folder: Path) -> float:
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total / 1e6


def look(soak: Soak, over: threading.Event) -> None:
    """Look at the page, as somebody does who has it open."""
    paths = ["/", "/today", "/visits", "/v1/cameras"]
    paths += [f"/live.jpg?{urlencode({'camera': f'camera {i}'})}" for i in range(CAMERAS)]
    while not over.is_set():
        for path in paths:
            try:
                with urllib.request.urlopen(soak.page + path, timeout=20) as answer:
                    answer.read()
                soak.looked[f"{path.partition('?')[0]} {answer.status}"] += 1
            except OSError as error:
                soak.looked[f"{path.partition('?')[0]} {getattr(error, 'code', 'no answer')}"] += 1
        over.wait(1.0)


def plan(soak: Soak, length_s: float) -> list[tuple[float, Callable[[], None]]]:
    """Return what happens when, in seconds from the beginning."""
    steps: list[tuple[float, Callable[[], None]]] = []
    at_s, number = CAMERA_EVERY_S / 4, 0
    while at_s < length_s - CAMERA_DOWN_S - 20:
        camera = soak.cameras[number % CAMERAS]
        steps += [(at_s, camera.kill), (at_s + CAMERA_DOWN_S, camera.start)]
        at_s, number = at_s + CAMERA_EVERY_S, number + 1

    def broker_down() -> None:
        soak.broker.kill()
        soak.broker_down.append((local_now(), local_now() + timedelta(days=1)))

    def broker_up() -> None:
        soak.broker.start()
        soak.broker_down[-1] = soak.broker_down[-1][0], local_now() + timedelta(seconds=LISTENER_S)

    for share in (0.25, 0.5):
        steps += [(share * length_s, lambda: kill(soak)), (share * length_s + 2, lambda: start(soak))]
    steps += [(0.55 * length_s, broker_down), (0.65 * length_s, broker_up)]
    return sorted(steps, key=lambda step: step[0])


def run(soak: Soak, length_s: float, stack: ExitStack) -> None:
    receiver = ExitStack()
    receiver.enter_context(soak.receiver.running())
    steps = plan(soak, length_s)

    def receiver_up() -> None:
        receiver.enter_context(soak.receiver.running())

    steps = sorted([*steps, (0.6 * length_s, receiver.close), (0.7 * length_s, receiver_up)], key=lambda step: step[0])
    stack.callback(receiver.close)
    stack.callback(lambda: soak.process.kill() if soak.process is not None else None)
    over = threading.Event()
    watcher = threading.Thread(target=look, args=(soak, over))
    start(soak)
    watcher.start()
    try:
        while (now_s := time.monotonic() - soak.began_s) < length_s:
            while steps and steps[0][0] <= now_s:
                steps.pop(0)[1]()
            if soak.process is not None and soak.process.poll() is None:
                sample(soak)
            time.sleep(SAMPLE_S)
    finally:
        over.set()
        watcher.join()


def happened(visits: Iterable[StoredVisit], kills: list[datetime]) -> Counter[tuple[str, str]]:
    """Return what must have been told: visit and kind of event, by what the store has."""
    wanted: Counter[tuple[str, str]] = Counter()
    for stored in visits:
        visit = stored.visit
        near = [at for at in kills if abs((visit.first_at - at).total_seconds()) < LAST_S]
        wanted[visit.id, "began"] += 0 if near else 1
        for violation in visit.violations:
            is_near = [at for at in kills if timedelta() <= at - violation.from_at < timedelta(seconds=LAST_S + 3)]
            wanted[visit.id, "violation"] += 0 if is_near else 1
        wanted[visit.id, "ended"] += visit.ended in ("left", "camera lost") and not [
            at for at in kills if timedelta() <= at - visit.last_at < timedelta(seconds=LAST_S + 5)
        ]
    return +wanted


def told(records: list[dict[str, Any]]) -> tuple[Counter[tuple[str, str]], int]:
    """Return what was told, each id once, and how many posts had an id that came before."""
    by_id = {record["id"]: record for record in records}
    kinds = Counter((record["visit"]["id"], record["event"]) for record in by_id.values() if "visit" in record)
    return kinds, len(records) - len(by_id)


def check(soak: Soak, recordings_mb: float) -> list[str]:
    """Print what came of it; returns what is wrong."""
    wrong: list[str] = []
    with Store.open(soak.folder / "watch-data", readonly=True) as store:
        visits: list[StoredVisit] = []
        while True:
            page = store.visits(VisitQuery(limit=1000, before=visits[-1].cursor if visits else None))
            visits += page
            if len(page) < 1000:
                break
        usage = store.usage()
    wanted = happened(visits, soak.kills)
    mqtt = [json.loads(payload) for topic, payload in soak.listener.got if topic.endswith("/event")]
    click.echo(f"visits {len(visits)}, events that must have been told {wanted.total()}, recordings {usage.recordings}")
    for name, records in (("webhook", soak.receiver.got), ("mqtt", mqtt)):
        kinds, again = told(records)
        missing = wanted - kinds
        extra = Counter({key: count for key, count in kinds.items() if count > 1 and key[1] in ("began", "ended")})
        unknown = {visit for visit, _ in kinds} - {stored.visit.id for stored in visits}
        click.echo(
            f"{name}: {len(records)} posts, {again} of them with an id that came before, {missing.total()} events "
            f"missing, {len(extra)} told under two ids, {len(unknown)} of visits that the store has not"
        )
        if name == "mqtt":  # whoever listens to a broker that comes back may miss what it is told first
            missing = Counter({key: n for key, n in missing.items() if not _while_down(key[0], visits, soak)})
        if missing.total() or extra or unknown:
            wrong.append(f"{name}: missing {list(missing)[:5]}, twice {list(extra)[:5]}, unknown {list(unknown)[:5]}")
    wrong += check_flat(soak, recordings_mb)
    click.echo("page: " + ", ".join(f"{path}: {count}" for path, count in sorted(soak.looked.items())))
    log = (soak.folder / "serve.log").read_text()
    wrong += ["the log has a traceback"] if "Traceback" in log else []
    return wrong + (["the log shows a password"] if "hunter2" in log else [])


def _while_down(visit_id: str, visits: list[StoredVisit], soak: Soak) -> bool:
    visit = next(stored.visit for stored in visits if stored.visit.id == visit_id)
    return any(visit.first_at <= to_at and visit.last_at + timedelta(seconds=5) >= from_at
               for from_at, to_at in soak.broker_down)  # fmt: skip


def check_flat(soak: Soak, recordings_mb: float) -> list[str]:
    last = [one for one in soak.samples if one.pid == soak.samples[-1].pid][round(SETTLED_S / SAMPLE_S) :]
    third = max(1, len(last) // 3)
    wrong = []
    click.echo(f"the last run, {len(last) * SAMPLE_S:.0f} s: median of the first third -> of the last third")
    series = [f"{one.rss_mb:.0f}" for one in last[:: max(1, len(last) // 12)]]
    click.echo(f"  rss_mb over time: {' '.join(series)}")
    for name, most_more in (("rss_mb", 25.0), ("threads", 2.0), ("files", 6.0)):
        first, end = (median(getattr(one, name) for one in part) for part in (last[:third], last[-third:]))
        click.echo(f"  {name}: {first:.0f} -> {end:.0f}")
        if end - first > most_more:
            wrong.append(f"{name} grows from {first:.0f} to {end:.0f}")
    top = max(one.recordings_mb for one in soak.samples)
    click.echo(f"  recordings: at most {top:.1f} MB, kept at {recordings_mb:.1f} MB; store {last[-1].store_mb:.1f} MB")
    # A sweep comes once a minute, and files that are being written count when they are noted.
    if top > recordings_mb * 1.5 + 5:
        wrong.append(f"recordings take {top:.1f} MB")
    return wrong


def start_prometheus(folder: Path, page: str, stack: ExitStack) -> str | None:
    program = shutil.which("prometheus")
    if program is None:
        return None
    config = folder / "prometheus.yml"
    target = page.removeprefix("http://")
    job = f"{{job_name: maskinfer, static_configs: [{{targets: ['{target}']}}]}}"
    config.write_text(f"global: {{scrape_interval: 5s}}\nscrape_configs: [{job}]\n")
    port = free_port()
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return f"http://127.0.0.1:{port}"


def scraped(address: str | None, minutes: float) -> str:
    if address is None:
        return "Prometheus is not installed"
    query = f"avg_over_time(up[{round(minutes * 60)}s])"
    with urllib.request.urlopen(f"{address}/api/v1/query?query={quote(query)}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return f"Prometheus reached it in {100 * float(found[0]['value'][1]):.1f} % of the scrapes"


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--minutes", type=click.FloatRange(4), default=60.0, show_default=True)
@click.option("--recordings-mb", type=click.FloatRange(1), default=500.0, show_default=True)
def main(folder: Path, minutes: float, recordings_mb: float) -> None:
    """Run the soak in FOLDER, which is made; what it printed and serve.log stay there."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        cameras = [RtspServer(make_clip(folder / f"{i}.mp4", shift=10 * i)) for i in range(CAMERAS)]
        for camera in cameras:
            stack.callback(camera.kill)
        receiver = Receiver()
        with receiver.running():
            pass  # it has its port now
        broker = Broker(folder)
        broker.start()
        stack.callback(broker.kill)
        listener = stack.enter_context(listening(broker))
        soak = Soak(folder, cameras, receiver, broker, listener, f"http://127.0.0.1:{free_port()}")
        write_settings(soak, recordings_mb)
        prometheus = start_prometheus(folder, soak.page, stack)
        run(soak, minutes * 60, stack)
        click.echo(scraped(prometheus, minutes))
        assert soak.process is not None
        soak.process.send_signal(signal.SIGTERM)
        code = soak.process.wait(60)
        wrong = check(soak, recordings_mb) + ([f"serve ended with {code}"] if code else [])
    for line in wrong:
        click.echo(f"WRONG: {line}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
