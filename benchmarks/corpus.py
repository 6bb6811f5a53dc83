"""What maskinfer makes of any folder of files: each read by ``image`` or ``video``, in a process with a time limit.

    python -m benchmarks.corpus DIR --out corpus/ --limit 60

Every output is held against its source as PyAV and Pillow read it. What ends with a traceback, hangs, crashes, loses
frames or sound, or has wrong times is listed; so is what could not be read, with what was said of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import click
from PIL import Image

from maskinfer.engine.files.listing import HEIF_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES

_IMAGES = IMAGE_SUFFIXES | HEIF_SUFFIXES | {".gif", ".pfm", ".hdr", ".tga", ".pcx", ".ico", ".psd", ".jxl"}
_VIDEOS = VIDEO_SUFFIXES | {".mjpeg", ".h264", ".h265", ".hevc", ".rm", ".ivf", ".y4m", ".nut", ".pmp", ".dv", ".264"}
_LENGTH_S = 0.5
"""Output and source may differ by so much: the last frame's and the sound's lengths are guessed by many containers."""
GOOD = ("as it should be", "told")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file.

    Attributes:
        file: its path.
        kind: "as it should be"; "told" when it could not all be read and that was said; otherwise what went wrong.
        detail: what was said, or what differs.
        seconds: that it took.
        code: exit code; None when it was killed.
    """

    file: str
    kind: str
    detail: str
    seconds: float
    code: int | None


@dataclass(frozen=True, slots=True)
class Film:
    """Pictures and sound of a file, as far as a plain reader gets; ``length_s`` is 0 where no times are stated."""

    frames: int
    length_s: float
    sound_s: float


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--limit", default=60.0, show_default=True, help="Seconds for each file.")
@click.option("--most-mb", default=40.0, show_default=True, help="Larger files are passed over.")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(folders: tuple[Path, ...], limit: float, most_mb: float, json_path: Path | None) -> None:
    """Run `image` and `video` over all files of FOLDERS and list what went wrong."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch:
        for file in _files(folders, most_mb):
            outcomes.append(_try(file, Path(scratch), limit))
            one = outcomes[-1]
            if one.kind != GOOD[0]:
                click.echo(f"{one.kind}: {one.file}: {one.detail}")
    counts = Counter(one.kind for one in outcomes)
    click.echo(f"{len(outcomes)} files: " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    if json_path is not None:
        json_path.write_text(json.dumps([asdict(one) for one in outcomes], indent=1) + "\n")
    click.get_current_context().exit(any(kind not in GOOD for kind in counts))


def _files(folders: tuple[Path, ...], most_mb: float) -> Iterator[Path]:
    for folder in folders:
        for file in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            is_media = file.suffix.lower() in _IMAGES | _VIDEOS
            if is_media and file.is_file() and file.stat().st_size < most_mb * 1e6:
                yield file


def _try(file: Path, scratch: Path, limit: float) -> Outcome:
    is_image = file.suffix.lower() in _IMAGES
    out = scratch / ("out.png" if is_image else "out.mp4")
    jsonl = scratch / "out.jsonl"
    for old in scratch.iterdir():
        old.unlink()
    command = ["image" if is_image else "video", str(file), "-o", str(out), "--jsonl", str(jsonl), "--threads", "1"]
    began_s = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "maskinfer", *command], capture_output=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(str(file), "hangs", f"not done after {limit:g} s", limit, None)
    seconds = time.monotonic() - began_s
    said = done.stderr.decode(errors="replace")
    kind, detail = _judge(file, out, said, done.returncode, is_image)
    return Outcome(str(file), kind, detail, round(seconds, 2), done.returncode)


def _judge(file: Path, out: Path, said: str, code: int, is_image: bool) -> tuple[str, str]:
    errors = [line for line in said.splitlines() if line.startswith("Error: ")]
    if "Traceback" in said:
        return "traceback", said.strip().splitlines()[-1]
    if code < 0:
        return "crash", f"signal {-code}"
    if code and not errors:
        return "fails without a word", said.strip()[-200:]
    if code and not out.exists():
        can = _can_pillow(file) if is_image else _film(file) is not None
        return ("not read, though others can" if can else "told"), errors[0]
    if not out.exists():
        return "nothing written", said.strip()[-200:]
    differs = "" if is_image else _differs(file, out, "jumps" in said)
    if differs:
        return ("told" if code else "differs"), f"{differs}; {errors[0] if errors else 'exit code 0'}"
    return ("told", errors[0]) if code else (GOOD[0], "")


def _can_pillow(file: Path) -> bool:
    try:
        with Image.open(file) as image:
            image.load()
    except Exception:  # whatever it raises, it cannot read it
        return False
    return True


def _differs(file: Path, out: Path, was_mended: bool) -> str:
    before, after = _film(file), _film(out)
    if before is None or after is None:
        return "the output cannot be read" if after is None else ""
    found = []
    if before.frames != after.frames:
        found.append(f"{before.frames} frames in, {after.frames} out")
    if not was_mended and before.length_s and abs(before.length_s - after.length_s) > _LENGTH_S:
        found.append(f"{before.length_s:.2f} s in, {after.length_s:.2f} s out")
    if abs(before.sound_s - after.sound_s) > _LENGTH_S:
        found.append(f"{before.sound_s:.2f} s of sound in, {after.sound_s:.2f} s out")
    return ", ".join(found)


def _film(file: Path) -> Film | None:
    """Read with PyAV alone; None when it holds no pictures that can be decoded."""
    frames, first_s, last_s, sound_s = 0, None, 0.0, 0.0
    with ExitStack() as stack:
        try:
            container = stack.enter_context(av.open(str(file), metadata_errors="replace"))
            streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        except (av.error.FFmpegError, OSError, ValueError):
            return None
        with suppress(av.error.FFmpegError, ValueError):
            for packet in container.demux(*streams):
                with suppress(av.error.FFmpegError):
                    for part in packet.decode():
                        if isinstance(part, av.AudioFrame):
                            sound_s += part.samples / part.sample_rate
                        elif isinstance(part, av.VideoFrame):
                            frames += 1
                            last_s = last_s if part.time is None else max(last_s, part.time)
                            first_s = part.time if first_s is None else first_s
    return Film(frames, last_s - (first_s or 0.0), sound_s) if frames else None


if __name__ == "__main__":
    main()
