from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import OutputError, SourceError, SourceNotFoundError
from maskinfer.engine.files.images import list_images, read_image, write_image

PICTURE = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), PICTURE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "sub/c.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_with_its_subfolders(folder: Path) -> None:
    assert [str(image.relative) for image in list_images([str(folder)])] == ["a.JPG", "b.png", "sub/c.png"]


def test_patterns_and_files_each_once(folder: Path) -> None:
    found = list_images([str(folder / "b.png"), str(folder / "**/*.png"), str(folder)])
    assert [image.path.name for image in found] == ["b.png", "c.png", "a.JPG"]


@pytest.mark.parametrize(
    ("source", "message"), [("absent.jpg", "does not exist"), ("*.gif", "does not exist"), ("empty", "holds no image")]
)
def test_nothing_there(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFoundError, match=message):
        list_images([str(tmp_path / source)])


def test_reading_and_writing(tmp_path: Path) -> None:
    path = tmp_path / "größe.png"
    write_image(path, PICTURE)
    assert (read_image(path) == PICTURE).all()
    assert list(tmp_path.iterdir()) == [path]


def test_grey_and_16_bit_become_bgr(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((5, 7), 1000, np.uint16))
    image = read_image(tmp_path / "grey.png")
    assert (image.shape, image.dtype) == ((5, 7, 3), np.uint8)
    assert (image == 1000 >> 8).all()


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0 cut"])
def test_a_broken_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.jpg is not an image"):
        read_image(tmp_path / "x.jpg")


def test_an_unknown_format_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x\.xyz cannot be written"):
        write_image(tmp_path / "x.xyz", PICTURE)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="absent"):
        write_image(tmp_path / "absent" / "x.png", PICTURE)
