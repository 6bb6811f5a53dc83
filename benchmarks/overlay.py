"""What an overlay saves: processor time, time and size of `maskinfer video --overlay` and of encoding, in turn.

python -m benchmarks.overlay CLIP... [--rounds 3] [--option OPTION]...

Each clip is looked at with and without --overlay, one after the other, so many rounds; what is printed are the medians.
Processor time is that of the whole command, from its start to its end: decoding, models, drawing, encoding. The floor
is what an overlay cannot do without: the start of the program with its models, the decoder, and the models' runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click

import maskinfer
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.flow.stages import StageTimes, record_stages
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.sinks.copies.encoding import COPY, Encoding

FLOOR = ("decode", "detect", "classify")
KINDS: dict[str, tuple[str, ...]] = {"encoded.mp4": (), "overlay.mkv": ("--overlay",)}


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=3, show_default=True)
@click.option("--option", "options", multiple=True, help="For both commands, as --option=--classify-every=5.")
def main(clips: tuple[Path, ...], rounds: int, options: tuple[str, ...]) -> None:
    click.echo(
        "| clip | processor time, encoded | overlay | share | floor | its share | size, encoded | overlay | source |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|")
    for clip in clips:
        with TemporaryDirectory() as folder:
            used: dict[str, list[float]] = {name: [] for name in KINDS}
            for _ in range(rounds):
                for name, more in KINDS.items():
                    used[name].append(processor_s(clip, Path(folder, name), (*options, *more)))
            encoded, overlay = (median(seconds) for seconds in used.values())
            sizes = [sum(file.stat().st_size for file in Path(folder).glob(f"{Path(name).stem}.*")) for name in KINDS]
        floor = floor_s(clip)
        mb = " | ".join(f"{size / 1e6:.1f} MB" for size in (*sizes, clip.stat().st_size))
        shares = f"{overlay:.1f} s | {overlay / encoded:.0%} | {floor:.1f} s | {floor / encoded:.0%}"
        click.echo(f"| {clip.name} | {encoded:.1f} s | {shares} | {mb} |")


def processor_s(clip: Path, out: Path, options: tuple[str, ...]) -> float:
    """Return the processor time of one command in seconds, user and system."""
    began = time.perf_counter()
    seconds = _of([sys.executable, "-m", "maskinfer", "video", str(clip), "-o", str(out), *options])
    click.echo(f"{clip.name} {out.name}: {seconds:.2f} s of {time.perf_counter() - began:.2f} s", err=True)
    return seconds


def floor_s(clip: Path) -> float:
    """Return the processor time in seconds that the start, the decoder and the models take of an overlay."""
    start_s = _of([sys.executable, "-c", "import maskinfer.engine.jobs.video, maskinfer; maskinfer.load()"])
    engine = maskinfer.load()
    with TemporaryDirectory() as folder, record_stages() as times:
        run_video(engine, clip, Path(folder, "overlay.mkv"), track=TrackOptions(), encoding=Encoding(COPY))
    click.echo(f"{clip.name}: start {start_s:.2f} s, {_told(times)}", err=True)
    return start_s + sum(times.cpu_seconds[name] for name in FLOOR)


def _of(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _told(times: StageTimes) -> str:
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.cpu_seconds.items())


if __name__ == "__main__":
    main()
