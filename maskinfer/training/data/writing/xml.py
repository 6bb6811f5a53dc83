"""Data of ours as XML: Pascal VOC, and CVAT for images 1.1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from maskinfer.training.data.writing.source import Annotated, Source
from maskinfer.training.data.writing.text import boxes_of, classes_of, write_text


def _element(parent: ElementTree.Element, tag: str, text: object = None, **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = None if text is None else str(text)
    return element


def _xml(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def write_voc(pictures: Sequence[Annotated], out: Path, source: Source) -> None:
    """Write a file a picture; see ``voc``."""
    (out / "Annotations").mkdir()
    for picture in pictures:
        root = ElementTree.Element("annotation")
        _element(root, "folder", "JPEGImages")
        _element(root, "filename", picture.path.name)
        size = _element(root, "size")
        for name, value in zip(("width", "height", "depth"), (*picture.size_wh, 3), strict=True):
            _element(size, name, value)
        for box, face in boxes_of(picture):
            entry = _element(root, "object")
            for name, text in (("name", face.label), ("pose", "Unspecified"), ("truncated", 0), ("difficult", 0)):
                _element(entry, name, text)
            corners = _element(entry, "bndbox")
            for name, side in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
                _element(corners, name, round(side))
        write_text(out / "Annotations" / f"{picture.path.stem}.xml", _xml(root))
    (out / "ImageSets/Main").mkdir(parents=True)  # without it and the labels, some readers find nothing
    labels = "".join(f"{name}:::\n" for name in classes_of(pictures))
    write_text(out / "labelmap.txt", f"# label:color_rgb:parts:actions\n{labels}")
    write_text(out / "ImageSets/Main/train.txt", "".join(f"{picture.path.stem}\n" for picture in pictures))


def write_cvat(pictures: Sequence[Annotated], out: Path, source: Source) -> None:
    """Write ``annotations.xml``; see ``cvat``."""
    root = ElementTree.Element("annotations")
    _element(root, "version", "1.1")
    labels = _element(_element(_element(root, "meta"), "task"), "labels")
    for name in classes_of(pictures):
        _element(_element(labels, "label"), "name", name)
    for number, picture in enumerate(pictures):
        width, height = map(str, picture.size_wh)
        image = _element(root, "image", id=str(number), name=picture.path.name, width=width, height=height)
        for box, face in boxes_of(picture):
            corners = {n: f"{v:.2f}" for n, v in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)}
            origin = "auto" if source.is_predicted else "manual"
            _element(image, "box", label=face.label, source=origin, occluded="0", z_order="0", **corners)
    write_text(out / "annotations.xml", _xml(root))
