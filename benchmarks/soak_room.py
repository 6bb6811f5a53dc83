"""A control room for a long time, with all that goes wrong meanwhile, and what came of it.

    python -m benchmarks.soak_room FOLDER --minutes 60

Real RTSP cameras (Debian's GStreamer), mosquitto, Prometheus (if it is installed), a receiver of webhooks, recordings
with retention, and somebody who looks at the page. Every other minute a camera is killed for ten seconds; the broker
and the receiver are down for a tenth of the time; ``maskinfer serve`` is killed with SIGKILL after a quarter and after
half of the time, and started again. In the end memory, open files, threads and disk are compared between the beginning
and the end of the last run, and every event that the receivers got is held against the store. Ends with 1 if one of
the checks fails.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import av
import click
import cv2
import numpy as np

from benchmarks.soak_seen import SAMPLE_S, Sample, Soak, check, scraped
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.run import local_now
from tests.helpers.broker import Broker, listening
from tests.helpers.receiver import Receiver
from tests.helpers.rtsp import RtspServer

CAMERAS = 4
RATE = 10
CAMERA_EVERY_S, CAMERA_DOWN_S = 120.0, 10.0
# A listener who lost its connection is back after so long.
LISTENER_S = 5.0


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
            time.monotonic() - soak.began_s,
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
