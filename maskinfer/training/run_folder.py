"""The folder that a training writes."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from maskinfer import __version__
from maskinfer.engine.errors import MaskinferError, OutputError, RequestError, nothing_begun
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.runtime.cpu import processor_name
from maskinfer.training.optim import bfloat16_pays

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"
PROGRESS = "progress.pt"
_RECIPE = "recipe.json"
_ORIGIN = ("recipe", "inputs", "split", "environment")
# Whichever of them are installed.
_PACKAGES = (
    "torch", "torchvision", "numpy", "opencv-python", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu",
    "onnxruntime-openvino", "scikit-learn",
)  # fmt: skip


def enter_folder(out: Path, *, resume: bool) -> None:
    """Make the folder of a new training, or see that the one of a stopped training can be gone on with.

    One that was stopped while it read its pictures has left an empty folder, one in its first epoch no progress.

    Raises:
        OutputError: it cannot be made, or holds something.
        RequestError: there is nothing to go on with.
    """
    begun = (out / PROGRESS).is_file() or ((out / _RECIPE).is_file() and not (out / CHECKPOINT).exists())
    if not resume or (out.is_dir() and not any(out.iterdir())):
        make_folder(out)
    elif not begun:
        raise RequestError(f"{out} holds no training to go on with: {PROGRESS} is not there")


def make_folder(out: Path) -> None:
    """Make the folder.

    Raises:
        OutputError: it cannot be made, or holds something.
    """
    with nothing_begun():
        try:
            out.mkdir(parents=True, exist_ok=True)
            empty = not any(out.iterdir())
        except OSError as error:
            raise OutputError(f"cannot make the run folder {out}: {error.strerror}") from error
        if not empty:
            raise OutputError(f"{out} is not empty: name a new folder for this run")


@contextmanager
def cleared_if_nothing_begun(out: Path, *, resume: bool) -> Iterator[None]:
    """Leave no run folder behind that would block the next run, if the block raises before the training has a state.

    Only the files that say where a training came from are removed, and the folder if it is then empty; nothing of a
    training that was to be gone on with.
    """
    try:
        yield
    except MaskinferError:
        if not resume and not any((out / name).exists() for name in (PROGRESS, CHECKPOINT)):
            for name in _ORIGIN:
                (out / f"{name}.json").unlink(missing_ok=True)
            with suppress(OSError):
                out.rmdir()
        raise


def environment(device: torch.device) -> dict[str, object]:
    """Return what a training ran on."""
    return {
        "maskinfer": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "bfloat16": device.type == "cuda" or bfloat16_pays(),
        **{package: found for package in _PACKAGES if (found := _version(package))},
    }


def inputs(data: Sequence[Path], dev: Sequence[Path], teachers: Sequence[Path]) -> dict[str, object]:
    """Return what a training was given besides its recipe."""
    taught_by = [{"file": str(teacher), "sha256": sha256_of(teacher)} for teacher in teachers]
    return {"data": [str(folder) for folder in data], "dev": [str(folder) for folder in dev], "teachers": taught_by}


def write_origin(out: Path, origin: Mapping[str, Mapping[str, object]], *, resume: bool) -> None:
    """Write what a training starts from, a file for each part; check all but the environment when it goes on.

    Raises:
        RequestError: the training that is gone on with has another recipe or split, or other inputs.
    """
    for name, content in origin.items():
        text = to_text(content)
        file = out / f"{name}.json"
        changed = file.is_file() and file.read_text(encoding="utf-8") != text
        if resume and name != "environment" and changed:
            raise RequestError(f"{file} is not what this training has: give the same {name} to go on, or a new folder")
        with atomic_write(file) as partial:
            partial.write_text(text, encoding="utf-8")


def to_text(content: Mapping[str, object]) -> str:
    """Return the text of a JSON file."""
    return json.dumps(content, indent=1) + "\n"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
