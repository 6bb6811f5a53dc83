"""A watch of looping live sources for a long time: memory, open files and threads at the start and at the end.

    python -m benchmarks.soak office.mp4 demo.mp4 --minutes 20

Each clip becomes an endless MPEG transport stream over HTTP, in real time; where it begins anew its clock jumps back,
and now and then its server hangs up. Recordings are split by the minute; finished ones are deleted.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.cut import copy_video
from maskinfer.benchmark.fake_camera import served


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process held at a time.

    Attributes:
        time_s: since it began.
        memory_mb: resident.
        files: open ones, sockets and pipes among them.
        threads: of the process.
    """

    time_s: float
    memory_mb: float
    files: int
    threads: int


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--minutes", default=20.0, show_default=True)
@click.option("--hang-up-every", default=180.0, show_default=True, help="Seconds between two losses of a source.")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(clips: tuple[Path, ...], minutes: float, hang_up_every: float, json_path: Path | None) -> None:
    """Watch endless streams of CLIPS and print what the process held."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        urls = [stack.enter_context(served(_as_stream(clip, folder), hang_up_every)) for clip in clips]
        process = _watch(urls, folder)
        samples = _sample(process, folder, minutes * 60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        events = len((folder / "events.jsonl").read_text().splitlines())
    click.echo(said)
    click.echo(f"exit {process.returncode}, {events} events")
    for sample in _spread(samples, 8):
        click.echo(
            f"{sample.time_s / 60:6.1f} min: {sample.memory_mb:.0f} MB, {sample.files} files, {sample.threads} threads"
        )
    if json_path is not None:
        json_path.write_text(json.dumps([[s.time_s, s.memory_mb, s.files, s.threads] for s in samples]))


def _as_stream(clip: Path, folder: Path) -> Path:
    """Return the clip's video as a transport stream, packets copied."""
    return copy_video(clip, folder / f"{clip.stem}.ts")


def _watch(urls: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    sources = [part for url in urls for part in ("--source", url)]
    outputs = ["--record", "rec.mp4", "--segment", "1m", "--jsonl", "out.jsonl", "--events", "events.jsonl"]
    return subprocess.Popen(
        [sys.executable, "-m", "maskinfer", "stream", "--no-show", *sources, *outputs, "--crops", "crops"],
        cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _sample(process: subprocess.Popen[str], folder: Path, seconds: float) -> list[Sample]:
    samples: list[Sample] = []
    began_s = time.monotonic()
    while (now_s := time.monotonic() - began_s) < seconds and process.poll() is None:
        time.sleep(5)
        samples.append(_held(process.pid, now_s + 5))
        for path in sorted(folder.glob("rec-*.mp4"))[:-4]:
            path.unlink()
    return samples


def _held(pid: int, now_s: float) -> Sample:
    proc = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line)
    return Sample(
        now_s, int(status["VmRSS"].split()[0]) / 1024, len(list((proc / "fd").iterdir())), int(status["Threads"])
    )


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    steps = min(count, len(samples))
    return [samples[round(i * (len(samples) - 1) / max(1, steps - 1))] for i in range(steps)]


if __name__ == "__main__":
    main()
