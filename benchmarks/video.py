"""Frames per second of ``maskinfer video`` beside the naive loop, in turn (A B A B), each in a process of its own.

    python -m benchmarks.video compare crowd.mp4 office.mp4 --scrfd det_500m.onnx

The clock runs from the first frame read to the last one written; loading of models and imports is left out of both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks import naive_loop


@click.group()
def main() -> None:
    """Time video jobs."""


@main.command()
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--provider", default="auto")
def ours(source: str, out: Path, provider: str) -> None:
    """Run one job of maskinfer and print its frames and seconds."""
    from maskinfer.engine.engine import load
    from maskinfer.engine.jobs import run_video
    from maskinfer.engine.tracker import TrackOptions

    engine = load(provider=provider)
    start = time.perf_counter()
    summary = run_video(engine, source, out, track=TrackOptions())
    click.echo(json.dumps({"frames": summary.frames, "seconds": time.perf_counter() - start}))


@main.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--scrfd", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--rounds", default=3, show_default=True)
def compare(clips: tuple[Path, ...], scrfd: Path, rounds: int) -> None:
    """Print the median frames per second of both on each clip, and the ratio of each pair."""
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            out = str(Path(folder) / "out.mp4")
            pairs = [
                (
                    run("benchmarks.video", "ours", str(clip), out),
                    run(naive_loop.__name__, str(clip), out, "--scrfd", str(scrfd)),
                )
                for _ in range(rounds)
            ]
            a, b = (statistics.median(speeds) for speeds in zip(*pairs, strict=True))
            ratios = sorted(x / y for x, y in pairs)
            click.echo(
                f"{clip.name}: maskinfer {a:.1f} frames/s, naive loop {b:.1f} frames/s, "
                f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, {rounds} pairs)"
            )


def run(*arguments: str) -> float:
    """Return the frames per second that a job in a fresh process reports."""
    done = subprocess.run([sys.executable, "-m", *arguments], check=True, capture_output=True, text=True)
    report = json.loads(done.stdout.splitlines()[-1])
    return float(report["frames"]) / float(report["seconds"])


if __name__ == "__main__":
    main()
