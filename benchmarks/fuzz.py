"""Readers of images, videos, JSON Lines, contracts, registries and settings on bytes that were changed at random.

    python -m benchmarks.fuzz --minutes 5 --only .mp4 --only .mkv

Seeds are made here: images and videos of all kinds, results, scenes, contracts, a registry, settings. Each is mutated
(bits, bytes, pieces cut, doubled, swapped), written to a file, and read in a child process that reads many; a seed
number repeats a run. Whatever is raised that is not one of maskinfer's own errors, a crash, a file that takes too long,
and memory that grows are listed, and the file is kept.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import click
import cv2
import numpy as np
from PIL import Image

from maskinfer.control.settings.example import example
from maskinfer.engine.catalog.registry import REGISTRY_VARIABLE, registered
from maskinfer.engine.contract import METADATA_KEY, ClassifierContract, from_metadata, to_json
from maskinfer.engine.errors import MaskinferError
from maskinfer.engine.files.images import open_image
from maskinfer.engine.files.jsonl import read_results, to_line
from maskinfer.engine.frames.frame import VideoInfo
from maskinfer.engine.results import LABELS, Face, FrameResult
from maskinfer.engine.sinks.video import open_writer
from maskinfer.engine.sources.video import open_video

_MOST_FRAMES = 400
_PER_CHILD = 300
_GROWTH_MB = 600
Read = Callable[[Path], None]


def _image_file(path: Path) -> None:
    file = open_image(path)
    for page in file.pages[:4]:
        file.read(page)


def _video(path: Path) -> None:
    with open_video(path, threads=1) as video:
        first = next(iter(video))
        out = path.with_suffix(".out.mp4")
        info = VideoInfo(video.info.source, first.picture.size_wh, video.info.time_base, Fraction(25), duration_s=1.0)
        with suppress(MaskinferError), open_writer(out, info, audio_from=path, threads=1) as writer:
            writer.write(first.picture, first.pts, first.time_base, first.duration)
            for count, frame in enumerate(video):
                writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
                if count > _MOST_FRAMES:
                    break


def _results(path: Path) -> None:
    for result in read_results(path):
        to_line(result)


def _scenes(path: Path) -> None:
    from maskinfer.training.data.scenes import read_scenes

    read_scenes(path)


def _contract(path: Path) -> None:
    from_metadata(json.loads(path.read_text("utf-8", "replace")), "x.onnx")


def _registry(path: Path) -> None:
    os.environ[REGISTRY_VARIABLE] = str(path)
    registered()


def _settings(path: Path) -> None:
    from maskinfer.control.settings.read import read_settings

    read_settings(path, environ=dict.fromkeys(re.findall(r"\$\{(\w+)\}", example()), "https://a/x"))


def make_seeds(folder: Path) -> list[tuple[Path, Read]]:
    """Write the files that are mutated, and say what reads each."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (96, 64))
    seeds: list[tuple[Path, Read]] = []
    for suffix in (".jpg", ".png", ".webp", ".tif", ".gif", ".avif", ".bmp", ".jp2", ".ppm"):
        path = folder / f"seed{suffix}"
        images = [Image.fromarray(picture), Image.fromarray(picture[::-1].copy())]
        several: dict[str, Any] = (
            {"save_all": True, "append_images": images[1:]} if suffix in (".tif", ".gif", ".webp") else {}
        )
        images[0].save(path, **several)
        seeds.append((path, _image_file))
    for suffix, codecs in {
        ".mp4": ("libx264", "aac"), ".mkv": ("libx264", "flac"), ".avi": ("mjpeg", "pcm_s16le"),
        ".ts": ("libx264", "aac"), ".flv": ("libx264", "aac"), ".webm": ("libvpx", "libopus"),
        ".mov": ("mpeg4", "pcm_s16le"), ".wmv": ("wmv2", "aac"), ".mpg": ("mpeg2video", "mp2"),
        ".h264": ("libx264", None), ".mjpeg": ("mjpeg", None),
    }.items():  # fmt: skip
        seeds.append((_make_video(folder / f"seed{suffix}", *codecs, picture), _video))
    face = Face((1.0, 2.0, 30.0, 40.0), 0.9, ((1.0, 2.0),) * 5, LABELS[0], 0.8, dict.fromkeys(LABELS, 1 / 3), 1, 9.0)
    lines = "".join(to_line(FrameResult("a.mp4", i, i / 25, (96, 64), (face,))) + "\n" for i in range(4))
    scene = {"image": "a.jpg", "set": "s", "width": 96, "height": 64, "faces": [{"bbox": [1, 2, 3, 4], "label": "m"}]}
    contract = ClassifierContract(name="x", version="1", licence="MIT", labels=LABELS, size_wh=(16, 16))
    model = {"task": "classifier", "file": "x.onnx", "sha256": "0" * 64, "urls": ["https://a/x"], "licence": "MIT"}
    for name, text, read in (
        ("results.jsonl", lines, _results),
        ("scenes.jsonl", (json.dumps(scene) + "\n") * 3, _scenes),
        ("contract.json", json.dumps({METADATA_KEY: to_json(contract)}), _contract),
        ("registry.json", json.dumps({"models": {"x": model}}), _registry),
        ("watch.toml", example(), _settings),
    ):
        (folder / name).write_text(text)
        seeds.append((folder / name, read))
    return seeds


def _make_video(path: Path, codec: str, sound: str | None, picture: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)  # PyAV knows the kind of a few names only
        stream.width, stream.height = 96, 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        track: Any = container.add_stream(sound, rate=48_000, layout="stereo") if sound else None
        for i in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(picture, i, 1), format="bgr24")))
        container.mux(stream.encode(None))
        if track is not None:
            tone = (8000 * np.sin(np.arange(2 * 24_000) / 20)).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, 0
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to eight changes."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if not out:
            break
        at, size = rng.randrange(len(out)), rng.choice((1, 2, 4, 16, 64, 256))
        # Headers are at the beginning, and what is there decides most.
        at = min(at, rng.randrange(1, 512)) if rng.random() < 0.4 else at
        match rng.randrange(7):
            case 0:
                out[at % len(out)] ^= 1 << rng.randrange(8)
            case 1:
                out[at : at + size] = rng.randbytes(size)
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = out[at : at + size]
            case 4:
                out[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x01"))
            case 5:
                del out[rng.randrange(len(out)) :]
            case _:
                other = rng.randrange(len(out))
                out[at : at + size] = out[other : other + size]
    return bytes(out)


def _child(pipe: Connection) -> None:
    warnings.simplefilter("ignore")
    import logging

    logging.disable(logging.CRITICAL)
    av.logging.set_level(None)
    while (job := pipe.recv()) is not None:
        path, read = job
        said = ""
        try:
            read(path)
        except (MaskinferError, json.JSONDecodeError) as error:
            if "\n" in str(error):
                said = f"a message of several lines: {error!r}"
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
            said = f"{type(error).__name__}{where}: {str(error)[:160]}"
        pipe.send((said, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


class Child:
    """A process that reads files, and is begun anew when it died or read enough."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_child, args=(theirs,), daemon=True)
        self._process.start()
        self._count, self._first_mb = 0, 0.0

    def read(self, path: Path, read: Read, limit: float) -> str:
        """Return what went wrong, or nothing."""
        if self._count >= _PER_CHILD:
            self.stop()
            self._start()
        self._count += 1
        try:
            self._pipe.send((path, read))
            if not self._pipe.poll(limit + (60 if self._count == 1 else 0)):
                self._process.kill()
                self._process.join()
                self._start()
                return f"hangs: not done after {limit:g} s"
            said, peak_mb = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self._start()
            return f"crash: exit code {code}"
        grown_mb = peak_mb - self._first_mb
        if self._count == 1 or grown_mb > _GROWTH_MB:
            self._first_mb = peak_mb
            if self._count > 1:
                return f"growth: {grown_mb:.0f} MB"
        return str(said)

    def stop(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._pipe.send(None)
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()


@click.command()
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--limit", default=20.0, show_default=True, help="Seconds for each file.")
@click.option("--only", multiple=True, metavar="SUFFIX", help="Kinds of files, as .json; by default all.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the files that went wrong.")
def main(minutes: float, seed: int, limit: float, only: tuple[str, ...], keep: Path | None) -> None:
    """Mutate and read until the time is over; exit code 1 when anything went wrong."""
    rng = random.Random(seed)
    found: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = [one for one in make_seeds(folder) if not only or one[0].suffix in only]
        child = Child()
        end_s = time.monotonic() + 60 * minutes
        while time.monotonic() < end_s:
            source, read = rng.choice(seeds)
            path = folder / f"case{source.suffix}"
            path.write_bytes(mutate(source.read_bytes(), rng))
            counts[source.suffix] += 1
            said = child.read(path, read, limit)
            if said:
                key = f"{source.suffix}: {said}"
                found[key] += 1
                if found[key] == 1:
                    click.echo(key)
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, keep / f"{len(found):03d}{source.suffix}")
        child.stop()
    click.echo(f"{counts.total()} files: " + ", ".join(f"{n} {suffix}" for suffix, n in counts.most_common()))
    click.echo(f"{found.total()} faults of {len(found)} kinds")
    click.get_current_context().exit(bool(found))


if __name__ == "__main__":
    main()
