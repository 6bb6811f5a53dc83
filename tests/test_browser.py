"""What Chromium makes of our files, and that it would tell us of files that it cannot play."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.helpers.browser import play_in_chromium

DEMO = ROOT / "samples" / "demo.mp4"


def save_clip(path: Path, codec: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(50):
            picture = np.full((96, 160, 3), number * 5, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_the_demo_plays() -> None:
    with av.open(str(DEMO)) as container:
        stream = container.streams.video[0]
        size_wh, duration_s = (stream.width, stream.height), float((container.duration or 0) / av.time_base)
    seen = play_in_chromium(DEMO)
    assert seen["error"] is None
    assert (seen["videoWidth"], seen["videoHeight"]) == size_wh
    assert seen["duration"] == pytest.approx(duration_s, abs=0.1)
    assert seen["currentTime"] > 0


def test_h264_plays_where_mpeg4_part_2_does_not(tmp_path: Path) -> None:
    """The two files differ in the codec alone, so it is the codec that the helper tells apart."""
    good = play_in_chromium(save_clip(tmp_path / "good.mp4", "libx264"))
    bad = play_in_chromium(save_clip(tmp_path / "bad.mp4", "mpeg4"))
    assert (good["videoWidth"], good["videoHeight"], good["error"]) == (160, 96, None)
    assert good["currentTime"] > 0
    assert (bad["videoWidth"], bad["currentTime"]) == (0, 0)
    assert bad["error"] is not None


def test_a_text_does_not_play(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film\n" * 1000)
    seen = play_in_chromium(text)
    assert seen["error"]["code"] == 4
    assert seen["currentTime"] == 0
