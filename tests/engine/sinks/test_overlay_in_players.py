"""What mpv and VLC show of an overlay is what we would draw."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.results import BGRFrame
from tests.engine.sinks.test_overlay import OVERLAY, annotate_clip, around, grey, painted, walk
from tests.helpers.clips import write_clip
from tests.helpers.ffmpeg import need_libass, shown
from tests.helpers.players import by_mpv, by_vlc, need_player

COUNT = 30
# Colours of 4:2:0 are smeared, and VLC's pictures are encoded once more.
MOST_PX = 4
# Players read subtitles in a thread of its own, and do not always wait for it before they end.
LEAST = 35


def check_boxes(frames: Sequence[BGRFrame], drawn: Sequence[BGRFrame]) -> int:
    """Check that frames show boxes only where they are drawn; return how many of the 39."""
    found = 0
    for i, (frame, expected) in enumerate(zip(frames, drawn, strict=True)):
        for label in ("with_mask", "without_mask"):
            here, there = around(painted(frame, label)), around(painted(expected, label))
            if here is None:
                continue
            assert there is not None, (i, label)
            assert (np.abs(np.subtract(here, there)) <= MOST_PX).all(), (i, label, here, there)
            found += 1
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[BGRFrame]]:
    """A folder with a clip and its overlays, and the frames that are drawn on the clip."""
    need_libass()
    folder = tmp_path_factory.mktemp("players")
    clip, results = write_clip(folder / "clip.mp4", grey(COUNT)), walk(COUNT)
    annotate_clip(clip, results, folder / "drawn.mp4")
    annotate_clip(clip, results, folder / "overlay.mkv", OVERLAY)
    shutil.copyfile(clip, folder / "overlay.mp4")  # beside overlay.ass
    annotate_clip(clip, results, folder / "all.mkv", OVERLAY, Style())
    return folder, shown(folder / "drawn.mp4", None, folder / "drawn")


@pytest.mark.parametrize("name", ["overlay.mkv", "overlay.mp4"])
def test_mpv(made: tuple[Path, list[BGRFrame]], tmp_path: Path, name: str) -> None:
    need_player("mpv")
    folder, drawn = made
    frames = by_mpv(folder / name, tmp_path / "shown")
    assert len(frames) == COUNT
    assert check_boxes(frames, drawn) >= LEAST


def test_mpv_shows_captions_and_counts(made: tuple[Path, list[BGRFrame]], tmp_path: Path) -> None:
    need_player("mpv")
    folder, _ = made
    plain, whole = (by_mpv(folder / name, tmp_path / name)[12] for name in ("overlay.mkv", "all.mkv"))
    more = (plain != whole).any(-1)
    assert more[:80].any(), "captions above the faces"
    assert more[215:].any(), "counts at the bottom"


def test_vlc(made: tuple[Path, list[BGRFrame]], tmp_path: Path) -> None:
    need_player("cvlc")
    folder, drawn = made
    # It plays in real time, and on a busy machine leaves out the text that it was late for.
    for attempt in range(8):
        frames = by_vlc(folder / "overlay.mkv", tmp_path / f"shown{attempt}")
        assert COUNT - 3 <= len(frames) <= COUNT, "VLC leaves out the last"
        found = check_boxes(frames, drawn[: len(frames)])
        if found >= LEAST:
            break
    assert found >= LEAST
