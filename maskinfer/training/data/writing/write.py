"""Data of ours in other tools' formats, so that these serve as well: each as the tool itself reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.errors import OutputError, RequestError, nothing_begun
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.images import read_image, write_image
from maskinfer.engine.files.inside import slug
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.training.data.formats.raw import Box
from maskinfer.training.data.writing.source import Annotated, LabelledBox, Source
from maskinfer.training.data.writing.text import boxes_of, classes_of, write_text
from maskinfer.training.data.writing.xml import write_cvat, write_voc

OutFormat = Literal["maskinfer", "yolo", "coco", "voc", "label-studio", "cvat", "fiftyone", "class-folders"]
OUT_FORMATS: tuple[OutFormat, ...] = get_args(OutFormat)
_FOLDERS: dict[str, str] = {"yolo": "images/train", "voc": "JPEGImages", "fiftyone": "data"}
_AROUND = CropRule(square=True, margin=0.5, border="replicate")
_FACE_PX = 256
Write = Callable[[Sequence[Annotated], Path, Source], None]


@dataclass(frozen=True, slots=True)
class ExportedData:
    """What was written.

    Attributes:
        out: the folder.
        format: of what is in it.
        pictures, faces: how many.
        left_out: pictures that could not be read.
    """

    out: Path
    format: str
    pictures: int
    faces: int
    left_out: int

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        missing = f"; {self.left_out} pictures could not be read" if self.left_out else ""
        return f"wrote {self.pictures} pictures with {self.faces} faces as {self.format}: {self.out}{missing}"


def write_data(source: Source, out: Path, kind: OutFormat, progress: Progress = SILENT) -> ExportedData:
    """Write data in another tool's format, pictures and all.

    Args:
        source: from ``source.read_source``.
        out: new or empty folder.
        kind: of the format; ``class-folders`` holds a picture of each face.
        progress: told of each picture.

    Raises:
        RequestError: the format needs boxes, and the pictures have none.
        OutputError: the folder cannot be written, or holds something.
    """
    if kind not in ("class-folders", "maskinfer") and any(f.box is None for p in source.pictures for f in p.faces):
        raise RequestError(f"{kind} is a format of boxes, and pictures of single faces have none: use class-folders")
    _make_folder(out)
    if kind == "class-folders":
        for picture in counted(source.pictures, len(source.pictures), progress):
            _cut_faces(picture, out)
    else:
        copied = list(_copied(source.pictures, out / _FOLDERS.get(kind, "images"), progress))
        _WRITERS[kind](copied, out, source)
    faces = sum(len(picture.faces) for picture in source.pictures)
    return ExportedData(out, kind, len(source.pictures), faces, len(source.left_out))


def _make_folder(out: Path) -> None:
    with nothing_begun():
        try:
            out.mkdir(parents=True, exist_ok=True)
            empty = not any(out.iterdir())
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror}") from error
        if not empty:
            raise OutputError(f"{out} is not empty: name a new folder")


def _copied(pictures: Sequence[Annotated], folder: Path, progress: Progress) -> Iterator[Annotated]:
    """Copy the pictures, each under a name of its own; yield them where they lie now."""
    folder.mkdir(parents=True)
    taken: set[str] = set()
    for number, picture in enumerate(counted(pictures, len(pictures), progress)):
        stem = slug(picture.path.stem)
        stem = stem if stem.lower() not in taken else f"{stem}-{number}"
        taken.add(stem.lower())
        target = folder / f"{stem}{picture.path.suffix.lower()}"
        with atomic_write(target, shows_people=True) as partial:
            try:
                shutil.copyfile(picture.path, partial)
            except OSError as error:
                raise OutputError(f"cannot copy {picture.path} to {target}: {error.strerror}") from error
        yield replace(picture, path=target)


def _cut_faces(picture: Annotated, out: Path) -> None:
    image = read_image(picture.path)
    for number, face in enumerate(picture.faces):
        (out / slug(face.label)).mkdir(exist_ok=True)
        crop = image
        if face.box is not None:
            crop = cut_crops(image, np.asarray([face.box], np.float32), _AROUND, (_FACE_PX, _FACE_PX))[0]
        name = f"{slug(picture.path.parent.name)}-{slug(picture.path.stem)}-{number}.jpg"
        write_image(out / slug(face.label) / name, crop)


def _maskinfer(pictures: Sequence[Annotated], out: Path, source: Source) -> None:
    scenes, crops = [], []
    for picture in pictures:
        image = picture.path.relative_to(out).as_posix()
        if any(face.box is None for face in picture.faces):
            crops += [{"image": image, "set": out.name, "label": face.label} for face in picture.faces]
            continue
        faces = [{"bbox": [round(v, 2) for v in box], "label": face.label} for box, face in boxes_of(picture)]
        width, height = picture.size_wh
        scenes.append({"image": image, "set": out.name, "width": width, "height": height, "faces": faces})
    for name, records in (("scenes.jsonl", scenes), ("crops.jsonl", crops)):
        if records:
            write_text(out / name, "".join(json.dumps(record) + "\n" for record in records))


def _yolo(pictures: Sequence[Annotated], out: Path, source: Source) -> None:
    classes = classes_of(pictures)
    names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(classes))
    (out / "labels/train").mkdir(parents=True)
    for picture in pictures:
        width, height = picture.size_wh
        lines = [
            f"{classes.index(face.label)} {(left + right) / 2 / width:.6f} {(top + bottom) / 2 / height:.6f} "
            f"{(right - left) / width:.6f} {(bottom - top) / height:.6f}\n"
            for (left, top, right, bottom), face in boxes_of(picture)
        ]
        write_text(out / "labels/train" / f"{picture.path.stem}.txt", "".join(lines))
    write_text(out / "data.yaml", f"train: images/train\nval: images/train\nnames:\n{names}")


def _coco(pictures: Sequence[Annotated], out: Path, source: Source) -> None:
    classes = classes_of(pictures)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, picture in enumerate(pictures, 1):
        width, height = picture.size_wh
        images.append({"id": number, "file_name": picture.path.name, "width": width, "height": height})
        for (left, top, right, bottom), face in boxes_of(picture):
            record = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": classes.index(face.label) + 1,
                "bbox": [round(v, 2) for v in (left, top, right - left, bottom - top)],
                "area": round((right - left) * (bottom - top), 2),
                "iscrowd": 0,
            }
            annotations.append(record if face.score is None else record | {"score": face.score})
    categories = [{"id": number, "name": name, "supercategory": "face"} for number, name in enumerate(classes, 1)]
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    write_text(out / "annotations.json", json.dumps(content) + "\n")


CONFIG = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image">
{labels}  </RectangleLabels>
</View>
"""


def _label_studio(pictures: Sequence[Annotated], out: Path, source: Source) -> None:
    """Write tasks; what the engine said goes in as predictions, which Label Studio shows to be corrected."""
    tasks = []
    for picture in pictures:
        results = [_result(number, box, face, picture) for number, (box, face) in enumerate(boxes_of(picture))]
        said = {"result": results}
        address = f"/data/local-files/?d={slug(out.resolve().name)}/images/{picture.path.name}"
        task: dict[str, object] = {"data": {"image": address}}
        if source.is_predicted:
            scores = [face.score for face in picture.faces if face.score is not None]
            task["predictions"] = [{"model_version": "maskinfer", "score": min(scores, default=1.0)} | said]
        else:
            task["annotations"] = [said]
        tasks.append(task)
    write_text(out / "tasks.json", json.dumps(tasks) + "\n")
    labels = "".join(f'    <Label value="{name}"/>\n' for name in classes_of(pictures))
    write_text(out / "labeling-config.xml", CONFIG.format(labels=labels))


def _result(number: int, box: Box, face: LabelledBox, picture: Annotated) -> dict[str, object]:
    width, height = picture.size_wh
    left, top, right, bottom = box
    value = {
        "x": round(100 * left / width, 4),
        "y": round(100 * top / height, 4),
        "width": round(100 * (right - left) / width, 4),
        "height": round(100 * (bottom - top) / height, 4),
        "rotation": 0,
        "rectanglelabels": [face.label],
    }
    result: dict[str, object] = {
        "id": f"face{number}",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    }
    return result if face.score is None else result | {"score": face.score}


def _fiftyone(pictures: Sequence[Annotated], out: Path, source: Source) -> None:
    labels = {}
    for picture in pictures:
        width, height = picture.size_wh
        labels[picture.path.stem] = [
            {
                "label": classes_of(pictures).index(face.label),
                "bounding_box": [left / width, top / height, (right - left) / width, (bottom - top) / height],
            }
            | ({} if face.score is None else {"confidence": face.score})
            for (left, top, right, bottom), face in boxes_of(picture)
        ]
    write_text(out / "labels.json", json.dumps({"classes": classes_of(pictures), "labels": labels}) + "\n")


_WRITERS: dict[str, Write] = {
    "maskinfer": _maskinfer,
    "yolo": _yolo,
    "coco": _coco,
    "voc": write_voc,
    "cvat": write_cvat,
    "label-studio": _label_studio,
    "fiftyone": _fiftyone,
}
