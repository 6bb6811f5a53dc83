"""A logo in a corner: its place, its size, what is transparent in it, and files that are none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer.commands.groups.drawing import LOGO_CORNERS
from maskinfer.engine.errors import RequestError, SourceNotFoundError
from maskinfer.engine.frames.annotate import Style, annotate
from maskinfer.engine.frames.logo import CORNERS, Logo, read_logo
from maskinfer.engine.jobs.archive import run_videos
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import BGRFrame, FrameResult
from maskinfer.engine.sinks.copies.encoding import Encoding
from maskinfer.engine.sinks.outputs import Outputs
from maskinfer.engine.sources.video import open_video
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.clips import write_clip
from tests.helpers.own_models import LightClassifier, RedDetector

SIZE_WH = (320, 240)
BLUE = (200, 60, 20)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A blue ring, 40 by 20, whose middle is half transparent and whose left edge is wholly so; that edge is red."""
    bgra = np.full((20, 40, 4), (*BLUE, 255), np.uint8)
    bgra[6:14, 12:28, 3] = 128
    bgra[:, :8] = (0, 0, 255, 0)
    cv2.imwrite(str(tmp_path / "logo.png"), bgra)
    return tmp_path / "logo.png"


def nothing(index: int = 0, size_wh: tuple[int, int] = SIZE_WH) -> FrameResult:
    return FrameResult("clip", index, index / 25, size_wh, ())


def drawn(logo: Logo, size_wh: tuple[int, int] = SIZE_WH) -> BGRFrame:
    frame = np.full((size_wh[1], size_wh[0], 3), 120, np.uint8)
    annotate(frame, nothing(size_wh=size_wh), Style(boxes=False, logo=logo))
    return frame


@pytest.mark.parametrize("corner", CORNERS)
def test_where_it_lies_and_what_is_transparent(file: Path, corner: str) -> None:
    changed = (drawn(read_logo(file, corner, 0.25)) != 120).any(-1)
    y, x = np.nonzero(changed)
    # 80 wide, of which the first 16 are transparent; 5 from the edges, or one more, as places are even.
    left, top = (4 if corner.endswith("left") else 234) + 16, 4 if corner.startswith("top") else 194
    edges = (x.min(), y.min(), x.max() + 1, y.max() + 1)
    assert np.abs(np.subtract(edges, (left, top, left + 64, top + 40))).max() <= 1
    frame = drawn(read_logo(file, corner, 0.25))
    assert np.abs(frame[top + 5, left + 50].astype(int) - BLUE).max() <= 2
    halfway = (np.add(BLUE, 120)) / 2
    assert np.abs(frame[top + 20, left + 25] - halfway).max() <= 3
    assert not (frame[..., 2] > 125).any(), "the red of what is transparent shows"


def test_it_is_scaled_with_the_picture_and_never_larger(file: Path) -> None:
    for size_wh in ((320, 240), (1280, 720), (63, 47), (16, 400)):
        for width in (0.02, 0.5, 1.0):
            changed = np.nonzero((drawn(read_logo(file, "top-left", width), size_wh) != 120).any((0, 2)))[0]
            assert 0 < len(changed) <= size_wh[0]
            if width == 0.5 and size_wh[0] >= 320:
                assert abs(len(changed) - 0.8 * 0.5 * size_wh[0]) <= 12


def test_the_command_offers_the_same_corners() -> None:
    assert LOGO_CORNERS == CORNERS


def test_what_is_no_logo(tmp_path: Path, file: Path) -> None:
    text, cut = tmp_path / "a.png", tmp_path / "b.png"
    text.write_text("no image")
    cut.write_bytes(file.read_bytes()[:60])
    for bad in (text, cut):
        with pytest.raises(RequestError, match="is not an image that can be read"):
            read_logo(bad)
    with pytest.raises(SourceNotFoundError, match="there is no file"):
        read_logo(tmp_path / "none.png")
    with pytest.raises(RequestError, match="there is no corner 'middle'"):
        read_logo(file, "middle")
    with pytest.raises(RequestError, match="expected a share over 0"):
        read_logo(file, width=0)


def test_a_video_has_it_and_an_overlay_refuses_it(tmp_path: Path, file: Path) -> None:
    engine = maskinfer.load(RedDetector(), LightClassifier())
    clip = write_clip(tmp_path / "clip.mp4", [np.full((240, 320, 3), 120, np.uint8)] * 4)
    style = Style(boxes=False, logo=read_logo(file, "bottom-right", 0.25))
    assert run_video(engine, clip, tmp_path / "out.mp4", style=style).problems == []
    with open_video(tmp_path / "out.mp4") as video:
        for frame in video:
            assert np.abs(frame.bgr[201, 302].astype(int) - BLUE).max() <= 12
            assert np.abs(frame.bgr[:180, :200].astype(int) - 120).max() <= 6
    with pytest.raises(RequestError, match="an overlay is text and holds no logo"):
        run_video(engine, clip, tmp_path / "out.mkv", style=style, encoding=Encoding("copy"))


def test_a_folder_knows_it_by_its_content(tmp_path: Path, file: Path) -> None:
    engine = maskinfer.load(RedDetector(), LightClassifier())
    (tmp_path / "archive").mkdir()
    write_clip(tmp_path / "archive/clip.mp4", [np.full((240, 320, 3), 120, np.uint8)] * 4)
    sources, out, style = [str(tmp_path / "archive")], tmp_path / "out", Style(logo=read_logo(file))
    results = Outputs(jsonl=str(tmp_path / "results"))
    assert run_videos(engine, sources, out, style=style, outputs=results).frames == 4
    assert run_videos(engine, sources, out, style=Style(logo=read_logo(file)), outputs=results).skipped == 1
    again = ("render", tmp_path / "archive", tmp_path / "results", "-o", tmp_path / "again", "--like", out)
    done = run_maskinfer(*again, "--no-boxes", "--logo-corner", "top-left", "--logo-width", 0.25)
    assert done.returncode == 0, done.stderr
    with open_video(tmp_path / "again/clip.mp4") as video:
        assert np.abs(next(iter(video)).bgr[8, 70].astype(int) - BLUE).max() <= 12
    cv2.imwrite(str(file), np.full((20, 20, 3), 9, np.uint8))
    with pytest.raises(RequestError, match="would be replaced"):
        run_videos(engine, sources, out, style=Style(logo=read_logo(file)), outputs=results)
    check_error(run_maskinfer(*again, "--overwrite"), 2, "is not there as it was: name one with --logo")
    clip = tmp_path / "archive/clip.mp4"
    one = ("render", clip, tmp_path / "results/clip.mp4.jsonl", "-o", tmp_path / "one.mp4")
    assert run_maskinfer(*one, "--logo", file).returncode == 0
    check_error(run_maskinfer(*one, "--logo", tmp_path / "results/clip.mp4.jsonl"), 2, "is not an image")
    check_error(run_maskinfer(*one, "--logo-width", 0.5), 2, "there is no --logo")
