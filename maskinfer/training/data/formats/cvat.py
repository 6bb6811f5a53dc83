"""CVAT for images 1.1: one XML file of pictures, boxes and tags (https://docs.cvat.ai/docs/manual/advanced/xml_format/)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from maskinfer.engine.errors import SourceError
from maskinfer.training.data.formats.raw import (
    RawBox,
    RawData,
    RawPicture,
    broken,
    find_picture,
    number,
    read_xml,
    roots_of,
)

WHAT = "a file of CVAT for images 1.1"
OTHER_SHAPES = ("polygon", "polyline", "points", "mask", "ellipse", "cuboid", "skeleton")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


def read_cvat(file: Path, images: Path | None = None) -> RawData:
    """Read ``annotations.xml`` of CVAT; the pictures lie beside it or in ``images``.

    Args:
        file: the XML file.
        images: the folder of its pictures, if it is another.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read, or holds tracks of a video.
    """
    root = read_xml(file, WHAT)
    if root.find("track") is not None:
        raise SourceError(f"{file} holds tracks of a video: export the task as CVAT for images 1.1")
    roots = roots_of(file, images)
    left_out: list[tuple[str, str]] = []
    pictures = []
    try:
        for entry in root.iter("image"):
            name = entry.attrib["name"]
            left_out += [(f"shapes that are no box ({s})", name) for s in OTHER_SHAPES for _ in entry.findall(s)]
            pictures.append(_picture(entry, find_picture(name, _subsets(roots, entry)), left_out))
    except (KeyError, ValueError) as error:
        raise broken(file, WHAT, error) from error
    return RawData(tuple(pictures), tuple(left_out))


def _subsets(roots: Sequence[Path], entry: Element) -> list[Path]:
    """Return where a picture may lie: exports with subsets have a folder for each."""
    subset = entry.get("subset")
    return [*([root / subset for root in roots] if subset else []), *roots]


def _picture(entry: Element, path: Path, left_out: list[tuple[str, str]]) -> RawPicture:
    boxes = []
    for box in entry.findall("box"):
        if number(box.get("rotation", 0)):
            left_out.append(("boxes that are turned", entry.attrib["name"]))
        else:
            left, top, right, bottom = (number(box.attrib[name]) for name in _CORNERS)
            boxes.append(RawBox(box.attrib["label"], (left, top, right, bottom)))
    tags = [tag.attrib["label"] for tag in entry.findall("tag")]
    if len(tags) > 1 and not boxes:
        raise ValueError(f"{entry.attrib['name']} has {len(tags)} tags, expected one")
    label = tags[0] if tags and not boxes else None
    return RawPicture(path, tuple(boxes), label, part=entry.get("subset") or "")
