"""Players that are not ours, as those who watch a copy have them: mpv and VLC."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.results import BGRFrame
from tests.helpers.ffmpeg import shown

_NOBODY = ("runuser", "-u", "nobody", "--")
_MOST_S = 120


def need_player(name: str) -> None:
    """Skip the test where a player is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed: apt-get install {'mpv' if name == 'mpv' else 'vlc-bin vlc-plugin-base'}")
    if name == "cvlc" and _is_root() and shutil.which(_NOBODY[0]) is None:
        pytest.skip("VLC does not run as root, and there is no runuser")


def by_mpv(video: Path, folder: Path) -> list[BGRFrame]:
    """Return the frames that mpv shows of a video, with the subtitles that it chooses itself."""
    command = [
        "mpv",
        "--no-config",
        "--no-audio",
        "--vo=image",
        "--vo-image-format=png",
        f"--vo-image-outdir={folder}",
    ]
    subprocess.run([*command, str(video)], check=True, capture_output=True, timeout=_MOST_S)
    return [np.asarray(cv2.imread(str(path)), np.uint8) for path in sorted(folder.glob("*.png"))]


def by_vlc(video: Path, folder: Path) -> list[BGRFrame]:
    """Return the frames that VLC shows of a video, with the subtitles that it chooses itself."""
    with _open_to_all() as place:
        shutil.copyfile(video, place / video.name)
        encoded = "vcodec=h264,venc=x264{preset=ultrafast,crf=5},soverlay"
        # A file takes frames as fast as VLC reads them, and it does not wait for the thread that reads subtitles. What
        # cannot wait, as UDP, has it play in real time; nothing listens there.
        file = f"std{{access=file,mux=mp4,dst={place / 'shown.mp4'}}}"
        sink = f"#transcode{{{encoded}}}:duplicate{{dst={file},dst=std{{access=udp,mux=ts,dst=127.0.0.1:9}}}}"
        command = ["cvlc", "-I", "dummy", "--no-sout-audio", str(place / video.name), "--sout", sink, "vlc://quit"]
        user = [*_NOBODY, "env", f"HOME={place}", f"XDG_RUNTIME_DIR={place}"] if _is_root() else []
        subprocess.run([*user, *command], check=True, capture_output=True, timeout=_MOST_S)
        return shown(place / "shown.mp4", None, folder)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


@contextmanager
def _open_to_all() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o777)
        yield place
