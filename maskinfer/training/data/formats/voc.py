"""Pascal VOC: an XML file a picture, in ``Annotations`` beside ``JPEGImages``, or beside the pictures.

Pixels count from 0, as labelImg, Label Studio and FiftyOne write them; VOC's own files count from 1.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

from maskinfer.engine.errors import SourceNotFoundError
from maskinfer.training.data.formats.raw import (
    RawBox,
    RawData,
    RawPicture,
    broken,
    find_picture,
    is_there,
    number,
    pictures_in,
    read_xml,
)

WHAT = "a Pascal VOC annotation"
NO_FILE = "pictures without an XML file"
FOLDERS = ("Annotations", "annotations", "labels", "")


def voc_files(folder: Path) -> list[Path]:
    """Return the XML files of a VOC folder, in a fixed order; none if it is no such folder."""
    for name in FOLDERS:
        files = sorted((folder / name).glob("*.xml"))
        if files:
            return files
    return []


def read_voc(data: Path, images: Path | None = None) -> RawData:
    """Read a folder of annotations, or one.

    Args:
        data: folder or XML file.
        images: the folder of the pictures, if it is another.

    Raises:
        SourceNotFoundError, SourceError: a file cannot be read.
    """
    files = [data] if data.is_file() else voc_files(data)
    if not files:
        raise SourceNotFoundError(f"{data} holds no {WHAT}: expected XML files")
    pictures = [_picture(file, images) for file in files]
    known = {picture.path for picture in pictures}
    beside = [] if data.is_file() else sorted({picture.path.parent for picture in pictures if is_there(picture.path)})
    alone = [path for folder in beside for path in pictures_in(folder) if path not in known]
    return RawData(tuple(pictures), tuple((NO_FILE, str(path)) for path in alone))


def _picture(file: Path, images: Path | None) -> RawPicture:
    root = read_xml(file, WHAT)
    try:
        name = _text(root, "filename")
        here = file.parent
        near = (here, here.parent / "JPEGImages", here.parent / "images", here.parent / "data", here.parent)
        roots = [images] if images is not None else list(near)
        # Some tools write a name without its ending.
        names = [name, *(f"{name}{end}" for end in (".jpg", ".png", ".jpeg") if not Path(name).suffix)]
        found = [find_picture(one, roots) for one in names]
        path = next((one for one in found if is_there(one)), found[0])
        return RawPicture(path, tuple(_box(entry) for entry in root.iter("object")))
    except ValueError as error:
        raise broken(file, WHAT, error) from error


def _box(entry: Element) -> RawBox:
    box = entry.find("bndbox")
    if box is None:
        raise ValueError("an object has no bndbox")
    left, top, right, bottom = (number(_text(box, name)) for name in ("xmin", "ymin", "xmax", "ymax"))
    return RawBox(_text(entry, "name"), (left, top, right, bottom))


def _text(element: Element, name: str) -> str:
    found = element.findtext(name)
    if not found or not found.strip():
        raise ValueError(f"it has no {name}")
    return found.strip()
