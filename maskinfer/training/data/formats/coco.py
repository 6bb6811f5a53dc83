"""COCO (https://cocodataset.org/#format-data): one JSON file of images, categories and boxes.

A box is ``[left, top, width, height]`` in pixels.
"""

from __future__ import annotations

from pathlib import Path

from maskinfer.training.data.formats.raw import (
    RawBox,
    RawData,
    RawPicture,
    broken,
    find_picture,
    number,
    read_json,
    roots_of,
)

WHAT = "a COCO file with images, annotations and categories"
CROWD = "regions of crowds"
NO_BOX = "annotations without a box"


def read_coco(file: Path, images: Path | None = None) -> RawData:
    """Read a COCO file; pictures lie beside it, in ``images``, ``data``, or a folder of the file's own name.

    Args:
        file: the JSON file.
        images: the folder of its pictures, if it is another.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read.
    """
    content = read_json(file, WHAT)
    roots = roots_of(file, images, file.stem, file.stem.split("_")[-1], "train", "val", "test")
    left_out: list[tuple[str, str]] = []
    try:
        names = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        boxes: dict[object, list[RawBox]] = {entry["id"]: [] for entry in content["images"]}
        for entry in content["annotations"]:
            where = f"annotation {entry.get('id')}"
            if entry.get("iscrowd"):
                left_out.append((CROWD, where))
            elif not entry.get("bbox"):
                left_out.append((NO_BOX, where))
            else:
                left, top, width, height = (number(value) for value in entry["bbox"])
                box = RawBox(names[entry["category_id"]], (left, top, left + width, top + height))
                boxes[entry["image_id"]].append(box)
        pictures = [
            RawPicture(find_picture(str(entry["file_name"]), roots), tuple(boxes[entry["id"]]))
            for entry in content["images"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise broken(file, WHAT, error) from error
    return RawData(tuple(pictures), tuple(left_out))
