"""What mpv and VLC show of an overlay is what we would draw."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.results import BGRFrame
from tests.engine.sinks.test_overlay import OVERLAY, annotate_clip, around, grey, painted, walk
from tests.helpers.clips import write_clip
from tests.helpers.ffmpeg import need_libass, shown
from tests.helpers.players import by_mpv, by_vlc, need_player

# VLC leaves out a text that it is late for on a busy machine. So each is there for a while, and none of the first three
# seconds, in which it gets ready to draw texts, is asked for.
RATE, LEAD, WALK = 5, 15, 30
COUNT = LEAD + WALK
# Colours of 4:2:0 are smeared, and VLC's pictures are encoded once more.
MOST_PX = 4
# Players read subtitles in a thread of its own, and do not always wait for it before they end.
LEAST = 35


def check_boxes(frames: Sequence[BGRFrame], drawn: Sequence[BGRFrame]) -> set[tuple[int, str]]:
    """Check that frames show boxes only where they are drawn; return which of the walk's 39, by frame and label."""
    found = set()
    for i, (frame, expected) in enumerate(zip(frames, drawn, strict=True)):
        for label in ("with_mask", "without_mask"):
            here, there = around(painted(frame, label)), around(painted(expected, label))
            if here is None:
                continue
            assert there is not None, (i, label)
            assert (np.abs(np.subtract(here, there)) <= MOST_PX).all(), (i, label, here, there)
            if i >= LEAD:
                found.add((i, label))
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[BGRFrame]]:
    """A folder with a clip and its overlays, and the frames that are drawn on the clip."""
    need_libass()
    folder = tmp_path_factory.mktemp("players")
    clip = write_clip(folder / "clip.mp4", grey(COUNT), rate=RATE)
    steps = walk(WALK)
    results = [replace(step, frame=i, time_s=i / RATE) for i, step in enumerate([steps[0]] * LEAD + steps)]
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
    assert len(check_boxes(frames, drawn)) >= LEAST


def test_mpv_shows_captions_and_counts(made: tuple[Path, list[BGRFrame]], tmp_path: Path) -> None:
    need_player("mpv")
    folder, _ = made
    plain, whole = (by_mpv(folder / name, tmp_path / name)[LEAD + 12] for name in ("overlay.mkv", "all.mkv"))
    more = (plain != whole).any(-1)
    assert more[:80].any(), "captions above the faces"
    assert more[215:].any(), "counts at the bottom"


def test_vlc(made: tuple[Path, list[BGRFrame]], tmp_path: Path) -> None:
    need_player("cvlc")
    folder, drawn = made
    # On a busy machine it leaves out a few, other ones each time.
    found: set[tuple[int, str]] = set()
    for attempt in range(8):
        frames = by_vlc(folder / "overlay.mkv", tmp_path / f"shown{attempt}")
        assert COUNT - 3 <= len(frames) <= COUNT, "VLC leaves out the last"
        found |= check_boxes(frames, drawn[: len(frames)])
        if len(found) >= LEAST:
            break
    assert len(found) >= LEAST
