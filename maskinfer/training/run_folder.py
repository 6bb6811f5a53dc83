"""The folder that a training writes."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import torch

from maskinfer import __version__
from maskinfer.engine.errors import OutputError
from maskinfer.training.loop import bfloat16_pays

_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python", "onnxruntime", "scikit-learn")


def make_folder(out: Path) -> None:
    """Make the folder.

    Raises:
        OutputError: it cannot be made, or holds something.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        empty = not any(out.iterdir())
    except OSError as error:
        raise OutputError(f"cannot make the run folder {out}: {error.strerror}") from error
    if not empty:
        raise OutputError(f"{out} is not empty: name a new folder for this run")


def environment() -> dict[str, object]:
    """Return what a training ran on."""
    return {
        "maskinfer": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "bfloat16": bfloat16_pays(),
        **{package: version(package) for package in _PACKAGES},
    }


def to_text(content: Mapping[str, object]) -> str:
    """Return the text of a JSON file."""
    return json.dumps(content, indent=1) + "\n"
