"""What an overlay saves: processor time, time and size of `maskinfer video --overlay` and of encoding, in turn.

python -m benchmarks.overlay CLIP... [--rounds 3] [--option OPTION]...

Each clip is looked at with and without --overlay, one after the other, so many rounds; what is printed are the medians.
Processor time is that of the whole command, from its start to its end: decoding, models, drawing, encoding.
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

KINDS: dict[str, tuple[str, ...]] = {"encoded.mp4": (), "overlay.mkv": ("--overlay",)}


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=3, show_default=True)
@click.option("--option", "options", multiple=True, help="For both commands, as --option=--classify-every=5.")
def main(clips: tuple[Path, ...], rounds: int, options: tuple[str, ...]) -> None:
    click.echo("| clip | processor time, encoded | overlay | share | size, encoded | overlay | source |")
    click.echo("|---|---|---|---|---|---|---|")
    for clip in clips:
        with TemporaryDirectory() as folder:
            used: dict[str, list[float]] = {name: [] for name in KINDS}
            for _ in range(rounds):
                for name, more in KINDS.items():
                    used[name].append(processor_s(clip, Path(folder, name), (*options, *more)))
            encoded, overlay = (median(seconds) for seconds in used.values())
            sizes = [sum(file.stat().st_size for file in Path(folder).glob(f"{Path(name).stem}.*")) for name in KINDS]
        mb = " | ".join(f"{size / 1e6:.1f} MB" for size in (*sizes, clip.stat().st_size))
        click.echo(f"| {clip.name} | {encoded:.1f} s | {overlay:.1f} s | {overlay / encoded:.0%} | {mb} |")


def processor_s(clip: Path, out: Path, options: tuple[str, ...]) -> float:
    """Return the processor time of one command in seconds, user and system."""
    command = [sys.executable, "-m", "maskinfer", "video", str(clip), "-o", str(out), *options]
    before = os.times()
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    click.echo(f"{clip.name} {out.name}: {seconds:.2f} s of {time.perf_counter() - began:.2f} s", err=True)
    return seconds


if __name__ == "__main__":
    main()
