from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from maskinfer.engine.faces.detector import load_detector
from maskinfer.training.data.masks.demo_clip import PORTRAIT_LANDMARKS, sample_frames
from tests.conftest import ROOT

SAMPLE = "maskinfer.training.data.masks.demo_clip"
DEMO = ROOT / "samples" / "demo.mp4"

# From between the corners of a smiling mouth onto its teeth or lip, in pixels.
BELOW = np.array((0, 4))


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("skimage", reason="the portrait comes with scikit-image")
    out = tmp_path_factory.mktemp("sample") / "demo.mp4"
    done = run_python("-W", "error", "-m", SAMPLE, str(out))
    assert (done.returncode, done.stderr) == (0, "")
    return out


def test_the_clip_is_as_stated(made: Path) -> None:
    assert made.stat().st_size < 1_000_000
    with av.open(str(made)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.average_rate) == (854, 480, 25)
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", 44_100)
        assert (container.duration or 0) / av.time_base == pytest.approx(8, abs=0.05)
        assert [frame.pts * frame.time_base for frame in container.decode(video)] == [
            Fraction(n, 25) for n in range(200)
        ]


def test_it_can_be_played_while_it_arrives(made: Path) -> None:
    content = made.read_bytes()
    assert -1 < content.find(b"moov") < content.find(b"mdat")


def test_the_tone_is_soft_but_there(made: Path) -> None:
    with av.open(str(made)) as container:
        loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0))
    assert 0.02 < loudest < 0.2


def test_the_same_again_is_the_same(made: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    assert run_python("-m", SAMPLE, str(again)).returncode == 0
    assert furthest(again, made) < 5
    with av.open(str(again)) as one, av.open(str(made)) as other:
        assert [bytes(p) for p in one.demux(audio=0)] == [bytes(p) for p in other.demux(audio=0)]


def test_the_committed_clip_shows_what_the_command_makes(made: Path) -> None:
    assert furthest(made, DEMO) < 10


def furthest(one: Path, other: Path) -> float:
    """Compare block by block: x264 does not always encode the same pictures to the same bytes."""
    with av.open(str(one)) as first, av.open(str(other)) as second:
        pairs = zip(first.decode(video=0), second.decode(video=0), strict=True)
        return max(float(np.abs(blocks(a) - blocks(b)).max()) for a, b in pairs)


def blocks(frame: av.VideoFrame) -> np.ndarray:
    grey = frame.to_ndarray(format="gray").astype(np.float32)
    return np.asarray(cv2.resize(grey, (40, 24), interpolation=cv2.INTER_AREA))


def is_skin(bgr: np.ndarray, xy: np.ndarray) -> bool:
    x, y = np.round(xy).astype(int)
    blue, _, red = bgr[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0)
    return bool(red - blue > 25)


def test_the_acts_of_the_clip() -> None:
    """Where skin is seen, at nose and mouth, for every face that the shipped detector finds, from the left."""
    pytest.importorskip("skimage", reason="the portrait comes with scikit-image")
    frames = list(sample_frames())
    assert len(frames) == 200
    acts = [frames[number] for number in (25, 75, 120, 190)]
    seen = []
    for bgr, found in zip(acts, load_detector(provider="cpu")(acts), strict=True):
        faces = sorted(found.landmarks if found.landmarks is not None else [], key=lambda points: points[2, 0])
        seen.append([(is_skin(bgr, face[2]), is_skin(bgr, face[3:].mean(0) + BELOW)) for face in faces])
    bare, masked, slipped = (True, True), (False, False), (True, False)
    assert seen == [[bare], [masked], [slipped], [masked, bare, slipped]]


def test_the_landmarks_fit_a_detector(portrait: np.ndarray) -> None:
    """The published detector puts them where the file does."""
    found = load_detector("retinaface", provider="cpu")([portrait])[0]
    assert found.landmarks is not None
    assert found.landmarks[0] == pytest.approx(np.array(PORTRAIT_LANDMARKS), abs=3)


def test_without_scikit_image_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = (
        f"import sys, runpy; sys.modules['skimage'] = None; sys.argv = ['sample', {str(tmp_path / 'x.mp4')!r}]; "
        f"runpy.run_module({SAMPLE!r}, run_name='__main__')"
    )
    done = run_python("-c", code)
    assert done.returncode == 1
    assert done.stderr == "Error: scikit-image is not installed: run pip install 'maskinfer[dev]'\n"
    assert not list(tmp_path.iterdir())
