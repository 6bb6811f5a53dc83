"""What of a folder is not read is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maskinfer.engine.files.listing import list_images


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_to_nothing_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").symlink_to(tmp_path / "missing.jpg")
    said: list[str] = []
    assert [file.path.name for file in list_images([str(tmp_path)], said.append)] == ["a.jpg"]
    assert said == [f"{tmp_path / 'b.jpg'} is left out: it is a link to nothing"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is closed to the administrator")
def test_folders_that_may_not_be_looked_into_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "closed").mkdir(0o000)
    said: list[str] = []
    list_images([str(tmp_path)], said.append)
    assert said == [f"{tmp_path / 'closed'} is left out: Permission denied"]
