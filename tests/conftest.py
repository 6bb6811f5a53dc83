from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import hypothesis
import numpy as np
import pytest

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.results import LABELS, BGRFrame
from tests.helpers.graphs import save_colour_classifier

ROOT = Path(__file__).resolve().parent.parent
# Development data and research-only models, which a user does not have.
SHARED = ROOT.parent / "shared"


def shared(*parts: str) -> Path:
    """Return a file of the development data, or skip the test."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the development data ({'/'.join(parts)}) is not here")
    return path


# A machine that is busy is no reason for a test to fail.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What programs keep, such as events that wait for a receiver or the fastest way here, is none of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("MASKINFER_PROFILES", str(tmp_path_factory.mktemp("profiles")))
        yield


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of 256 kB, or of as many as a test says, to be filled."""
    size_kb = getattr(request, "param", 256)
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here: it needs the rights of root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def portrait() -> BGRFrame:
    """The public-domain portrait that scikit-image ships: 512 x 512, one bare face, BGR."""
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


@pytest.fixture
def portrait_jpg(portrait: BGRFrame, tmp_path: Path) -> Path:
    path = tmp_path / "portrait.jpg"
    cv2.imwrite(str(path), portrait)
    return path


@pytest.fixture(scope="session")
def colour_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of three labels whose probabilities follow from a crop's mean blue, green and red."""
    return save_colour_classifier(tmp_path_factory.mktemp("models") / "colour.onnx", CONTRACT)


CONTRACT = ClassifierContract(name="colour", version="1", licence="MIT", labels=LABELS, size_wh=(16, 16))

SaveClassifier = Callable[..., Path]
