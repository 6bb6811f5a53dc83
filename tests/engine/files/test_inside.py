"""Paths made of data stay in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.inside import inside, slug

FOLDER = Path("/crops")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "x/../../name", "/etc/passwd", "a\\b", "a\0b", "C:x", "x" * 256]
)
def test_what_would_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(OutputError, match="cannot be a file's name"):
        inside(FOLDER, name)


@given(st.text(), st.text())
def test_whatever_a_label_and_a_source_are_the_file_lies_in_the_folder(source: str, label: str) -> None:
    assert inside(FOLDER, f"{slug(source)}-7-{slug(label)}.jpg").parent == FOLDER
