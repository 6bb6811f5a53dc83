from __future__ import annotations

from pathlib import Path

import pytest

from maskinfer.engine.results import BGRFrame
from tests.helpers.serving import write_door_clip


@pytest.fixture(scope="session")
def door_clip(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of somebody without a mask who comes and goes."""
    return write_door_clip(portrait, tmp_path_factory.mktemp("clips") / "door.mp4")
