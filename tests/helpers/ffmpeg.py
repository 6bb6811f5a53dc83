"""FFmpeg's command, as a player with libass that is not ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskinfer.engine.results import BGRFrame


@cache
def _filters() -> str:
    return subprocess.run(["ffmpeg", "-hide_banner", "-filters"], capture_output=True, text=True, check=True).stdout


def need_libass() -> None:
    """Skip the test where FFmpeg with libass is not installed."""
    if shutil.which("ffmpeg") is None or " subtitles " not in _filters():
        pytest.skip("ffmpeg with libass is not installed: apt-get install ffmpeg")


def shown(video: Path, subtitles: Path | None, folder: Path) -> list[BGRFrame]:
    """Return the frames of a short video as a player shows them, upright and in square pixels.

    Args:
        video: to play.
        subtitles: a file whose first subtitle track is drawn on it; it may be the video. None for none.
        folder: an empty one, for the pictures.
    """
    folder.mkdir()
    filters = ["scale=round(iw*sar):ih", "setsar=1"]
    if subtitles is not None:
        (folder / f"track{subtitles.suffix}").symlink_to(subtitles)  # a name that a filter takes without quotes
        filters.append(f"subtitles=track{subtitles.suffix}")
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(video),
        "-vf",
        ",".join(filters),
        "-fps_mode",
        "passthrough",
        "%04d.png",
    ]
    subprocess.run(command, cwd=folder, check=True)
    return [np.asarray(cv2.imread(str(path)), np.uint8) for path in sorted(folder.glob("*.png"))]


def probed(video: Path) -> list[dict[str, Any]]:
    """Return what ffprobe says of each stream of a file."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(video)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout)["streams"])
