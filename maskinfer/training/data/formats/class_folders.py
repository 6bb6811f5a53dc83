"""A folder of pictures for each class."""

from __future__ import annotations

from pathlib import Path

from maskinfer.training.data.formats.raw import RawData, RawPicture, pictures_in


def class_names(folder: Path) -> list[str]:
    """Return the names of the folders that hold pictures, in a fixed order."""
    return [below.name for below in sorted(folder.iterdir()) if below.is_dir() and pictures_in(below)]


def read_class_folders(folder: Path, _images: Path | None = None) -> RawData:
    """Read the pictures, each of one face."""
    found = [RawPicture(path, label=name) for name in class_names(folder) for path in pictures_in(folder / name)]
    return RawData(tuple(found))
