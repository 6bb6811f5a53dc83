"""What kind of data a path is, told by what lies there: nothing is guessed from a file's name alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.training.data.formats.class_folders import class_names, read_class_folders
from maskinfer.training.data.formats.coco import read_coco
from maskinfer.training.data.formats.cvat import read_cvat
from maskinfer.training.data.formats.fiftyone import read_fiftyone
from maskinfer.training.data.formats.label_studio import read_label_studio
from maskinfer.training.data.formats.raw import RawData, pictures_in, read_json, read_text, read_xml
from maskinfer.training.data.formats.voc import read_voc, voc_files
from maskinfer.training.data.formats.yolo import CLASSES_FILES, read_yolo
from maskinfer.training.data.samples import BARE_FILE, CROPS_FILE
from maskinfer.training.data.scenes import SCENES_FILE

Format = Literal["maskinfer", "yolo", "coco", "voc", "label-studio", "cvat", "fiftyone", "class-folders"]
NATIVE: tuple[str, ...] = (SCENES_FILE, CROPS_FILE, BARE_FILE)
_READERS: dict[Format, Callable[[Path, Path | None], RawData]] = {
    "yolo": read_yolo,
    "coco": read_coco,
    "voc": read_voc,
    "label-studio": read_label_studio,
    "cvat": read_cvat,
    "fiftyone": read_fiftyone,
    "class-folders": read_class_folders,
}
EXPECTED = (
    f"{', '.join(NATIVE)}, a YOLO data.yaml, JSON of COCO, Label Studio or FiftyOne, XML of Pascal VOC or CVAT, "
    "or a folder of pictures for each label"
)
# Where the tools put the one file that says all, below the folder that they export.
_PLACES = (
    *("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"),
    *("samples.json", "labels.json", "_annotations.coco.json", "result.json", "annotations.json"),
    *("annotations/*.json", "*.json", "*.yaml", "*.yml"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a path.

    Attributes:
        format: its kind.
        path: of the file that says all, or the folder.
    """

    format: Format
    path: Path

    def read(self, images: Path | None = None) -> RawData:
        """Return what another tool's data say; see the module of each.

        Raises:
            RequestError: they are maskinfer's own. SourceNotFoundError, SourceError: they cannot be read.
        """
        if self.format == "maskinfer":
            raise RequestError(f"{self.path} holds maskinfer's own data: every command takes them as they are")
        return _READERS[self.format](self.path, images)


def detect(data: Path) -> Found:
    """Return what kind of data a file or folder is.

    Raises:
        SourceNotFoundError: there is nothing.
        SourceError: it is none of the kinds, or several files could be meant.
    """
    if data.is_dir():
        return _folder(data)
    if not data.exists():
        raise SourceNotFoundError(f"{data} does not exist: expected {EXPECTED}")
    suffix = data.suffix.lower()
    if suffix == ".jsonl":
        return Found("maskinfer", data)
    if suffix in (".yaml", ".yml") or data.name in CLASSES_FILES:
        return Found("yolo", data)
    if suffix == ".json":
        return Found(_json_kind(data), data)
    if suffix == ".xml":
        return Found("cvat" if read_xml(data, EXPECTED).tag == "annotations" else "voc", data)
    if suffix in (".zip", ".tar", ".gz", ".7z", ".rar"):
        raise SourceError(f"{data} is an archive: unpack it, and name the folder or the file that says all")
    raise SourceError(f"{data} is no data that can be read here: expected {EXPECTED}")


def _folder(folder: Path) -> Found:
    if any((folder / name).is_file() for name in NATIVE):
        return Found("maskinfer", folder)
    for pattern in _PLACES:
        files = [file for file in sorted(folder.glob(pattern)) if _is_annotation(file)]
        if len(files) > 1:
            names = ", ".join(str(file.relative_to(folder)) for file in files[:5])
            raise SourceError(f"{folder} holds several files of annotations: name one of {names}")
        if files:
            return detect(files[0])
    xml = sorted(folder.glob("*.xml"))
    if xml and detect(xml[0]).format == "cvat":
        if len(xml) > 1:
            raise SourceError(f"{folder} holds several files of annotations: name one, as {xml[0].name}")
        return detect(xml[0])
    if voc_files(folder):
        return Found("voc", folder)
    for name in CLASSES_FILES:
        if (folder / name).is_file() and (folder / "images").is_dir():
            return Found("yolo", folder / name)
    if class_names(folder):
        return Found("class-folders", folder)
    if pictures_in(folder):
        raise SourceError(f"{folder} holds pictures without labels: expected {EXPECTED}")
    raise SourceNotFoundError(f"{folder} holds no labelled pictures: expected {EXPECTED}")


def _is_annotation(file: Path) -> bool:
    """Tell whether a file is one of annotations; a folder may hold other YAML and JSON, as of settings."""
    suffix = file.suffix.lower()
    try:
        if suffix == ".json":
            return _json_kind(file) is not None
        text = read_text(file, EXPECTED)
        return "names:" in text and any(f"{part}:" in text for part in ("train", "val", "test"))
    except SourceError:
        return file.name in _PLACES  # broken, but meant: reading it says why


def _json_kind(file: Path) -> Format:
    content = read_json(file, EXPECTED)
    if isinstance(content, list) and all(isinstance(task, dict) for task in content):
        return "label-studio"
    if isinstance(content, dict):
        if {"images", "annotations", "categories"} <= content.keys():
            return "coco"
        if isinstance(content.get("labels"), dict) or isinstance(content.get("samples"), list):
            return "fiftyone"
    start = json.dumps(content)[:60]
    raise SourceError(f"{file} is JSON of neither COCO, Label Studio nor FiftyOne: it begins with {start}")
