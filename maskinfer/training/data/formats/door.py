"""Any data as folders that training and evaluation read.

Data of other tools are read once into lists in the cache folder; their pictures stay where they are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import OutputError, nothing_begun
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.cache import cache_folder
from maskinfer.engine.files.inside import slug
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import LABELS
from maskinfer.training.data.formats.class_folders import class_names
from maskinfer.training.data.formats.detect import NATIVE, Found, detect
from maskinfer.training.data.formats.translate import Imported, own_label, translate
from maskinfer.training.data.samples import CROPS_FILE
from maskinfer.training.data.scenes import SCENES_FILE

PICTURES = "pictures"
OnImported = Callable[[Imported], None]


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import wrote.

    Attributes:
        out: the folder.
        imported: what was read.
    """

    out: Path
    imported: Imported


def read_data(
    data: Path,
    names: Mapping[str, str],
    *,
    images: Path | None = None,
    parts: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Imported:
    """Return data of another tool as ours; see ``detect`` and ``translate``."""
    found = detect(data)
    return translate(found, found.read(images), names, parts=parts, progress=progress)


def as_folders(
    data: Sequence[Path],
    names: Mapping[str, str],
    *,
    labels: Sequence[str] = LABELS,
    told: OnImported = lambda imported: None,
    progress: Progress = SILENT,
) -> list[Path]:
    """Return folders, or lists, that training and evaluation read, in the place of data in any format.

    Args:
        data: files and folders.
        names: what other tools' labels mean; see ``translate``.
        labels: of the recipe: folders of pictures with these names are taken as they are.
        told: what was read of other tools' data.
        progress: told of each of their pictures.

    Raises:
        SourceNotFoundError, SourceError: nothing of a known kind is there.
        RequestError: a label is not known.
    """
    return [_as_folder(one, names, labels, told, progress) for one in data]


def _as_folder(
    data: Path, names: Mapping[str, str], labels: Sequence[str], told: OnImported, progress: Progress
) -> Path:
    found = detect(data)
    if found.format == "maskinfer" or _is_ours(found, names, labels):
        return data
    imported = translate(found, found.read(), names, progress=progress)
    told(imported)
    lines = _lines(imported, lambda path: str(path.resolve()))
    key = hashlib.sha256("".join(sorted(lines.values())).encode()).hexdigest()[:16]
    folder = cache_folder().parent / "lists" / f"{slug(imported.path.resolve().parent.name)}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    _write_lines(folder, lines)
    return folder


def _is_ours(found: Found, names: Mapping[str, str], labels: Sequence[str]) -> bool:
    if found.format != "class-folders":
        return False
    classes = class_names(found.path)
    return not set(classes) & set(names) and all(own_label(name) or name in labels for name in classes)


def import_data(imported: Imported, out: Path, progress: Progress = SILENT) -> ImportSummary:
    """Write data of another tool into a folder of ours: the lists, and copies of the pictures.

    Args:
        imported: from ``read_data``.
        out: new or empty folder.
        progress: told of each picture.

    Raises:
        OutputError: the folder cannot be written, or holds something.
    """
    _make_folder(out)
    every = [*(scene.path for scene in imported.scenes), *(crop.path for crop in imported.crops)]
    copies: dict[Path, str] = {}
    for number, path in enumerate(counted(dict.fromkeys(every), len(set(every)), progress)):
        # Two folders may hold pictures of one name, and a name may be anything.
        copies[path] = f"{PICTURES}/{number:06d}-{slug(path.stem)}{path.suffix.lower()}"
        _copy(path, out / copies[path])
    _write_lines(out, _lines(imported, lambda path: copies[path]))
    return ImportSummary(out, imported)


def _make_folder(out: Path) -> None:
    with nothing_begun():
        try:
            (out / PICTURES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror}") from error
        if any((out / name).exists() for name in NATIVE) or any((out / PICTURES).iterdir()):
            raise OutputError(f"{out} holds data already: name a new folder")


def _copy(path: Path, target: Path) -> None:
    with atomic_write(target, shows_people=True) as partial:
        try:
            shutil.copyfile(path, partial)
        except OSError as error:
            raise OutputError(f"cannot copy {path} to {target}: {error.strerror}") from error


def _lines(imported: Imported, name: Callable[[Path], str]) -> dict[str, str]:
    """Return the text of each list."""
    scenes = [
        {
            "image": name(scene.path),
            "set": scene.set,
            "width": width,
            "height": height,
            "faces": [
                {"bbox": [round(float(v), 2) for v in box], "label": label}
                for box, label in zip(scene.xyxy, scene.labels, strict=True)
            ],
        }
        for scene, (width, height) in zip(imported.scenes, imported.sizes_wh, strict=True)
    ]
    crops = [{"image": name(crop.path), "set": crop.set, "label": crop.label} for crop in imported.crops]
    records: dict[str, Sequence[dict[str, Any]]] = {SCENES_FILE: scenes, CROPS_FILE: crops}
    return {file: "".join(json.dumps(one) + "\n" for one in list_) for file, list_ in records.items() if list_}


def _write_lines(folder: Path, lines: Mapping[str, str]) -> None:
    for file, text in lines.items():
        with atomic_write(folder / file) as partial:
            partial.write_text(text, encoding="utf-8")
