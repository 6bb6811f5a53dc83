"""Other tools' labels and boxes as ours: every label is known or translated by hand, every box lies in its picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import LABELS
from maskinfer.engine.schema import parse_toml
from maskinfer.training.data.formats.detect import Format, Found
from maskinfer.training.data.formats.raw import Box, RawBox, RawData, RawPicture, read_text
from maskinfer.training.data.samples import LabelledImage
from maskinfer.training.data.scenes import Scene

LEFT_OUT = ""
"""What a label is mapped to whose faces are left out."""
_LABEL = re.compile(r"[\w][\w .-]{0,63}")
_LEAST_SIDE_PX = 1.0
_EXIF_ORIENTATION, _LYING = 274, (5, 6, 7, 8)
Told = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Imported:
    """Data of another tool as ours, and what became of everything in it.

    Attributes:
        format: what it was.
        path: what was read.
        scenes: pictures with boxes, or of no face.
        crops: pictures of one face each.
        sizes_wh: of each scene's picture, in pixels.
        labels: of each label in the file: what it became, ``LEFT_OUT`` if nothing, and how many faces carry it.
        parts: how many pictures are of each part of the data; empty where there are none.
        left_out: reason, how many, and an example.
        notes: what was taken otherwise than it stands there, likewise.
    """

    format: Format
    path: Path
    scenes: tuple[Scene, ...]
    crops: tuple[LabelledImage, ...]
    sizes_wh: tuple[tuple[int, int], ...]
    labels: Mapping[str, tuple[str, int]]
    parts: Mapping[str, int]
    left_out: tuple[Told, ...]
    notes: tuple[Told, ...]


def read_label_map(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``FROM=TO`` pairs, and TOML files of such pairs; TO may be empty, for faces to be left out.

    Raises:
        RequestError: one is neither, TO is no label, or one label is given twice.
    """
    found: dict[str, str] = {}
    for text in pairs:
        file = Path(text)
        if file.suffix.lower() == ".toml" and "=" not in text:
            given = _map_of_file(file)
        else:
            name, equals, label = text.rpartition("=")
            if not equals or not name.strip():
                raise RequestError(f"--map {text!r}: expected FROM=TO, as 'No Mask=without_mask', or a TOML file")
            given = {name.strip(): label.strip()}
        for name, label in given.items():
            if label != LEFT_OUT and not _LABEL.fullmatch(label):
                raise RequestError(f"--map {name}={label!r}: expected one of {', '.join(LABELS)}, or nothing")
            if found.get(name, label) != label:
                raise RequestError(f"--map gives {name!r} as {found[name]!r} and as {label!r}: choose one")
            found[name] = label
    return found


def _map_of_file(file: Path) -> dict[str, str]:
    try:
        content = parse_toml(read_text(file, "a TOML file of labels"))
    except (ValueError, SourceError) as error:
        raise RequestError(f"--map {file}: {error}") from error
    wrong = next((name for name, label in content.items() if not isinstance(label, str)), None)
    if wrong is not None:
        raise RequestError(
            f'--map {file}: {wrong} is {content[wrong]!r:.40}, expected lines as "No Mask" = "without_mask"'
        )
    return dict(content)


def own_label(name: str) -> str | None:
    """Return the label of ours that a name spells, in any case and with spaces or dashes; None for another name."""
    tidy = re.sub(r"[\s_-]+", "_", name.strip().lower())
    return tidy if tidy in LABELS else None


def translate(
    found: Found,
    raw: RawData,
    names: Mapping[str, str],
    *,
    parts: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Imported:
    """Return another tool's data as ours.

    Args:
        found: where they are.
        raw: what they say.
        names: what its labels mean, or ``LEFT_OUT``; those that spell ours need not be there.
        parts: of the data to take; empty for all.
        progress: told of each picture.

    Raises:
        RequestError: a label is neither ours nor among the names, or a part does not occur.
        SourceNotFoundError: none of the pictures is there.
    """
    known = Counter(picture.part for picture in raw.pictures if picture.part)
    missing = next((part for part in parts if part not in known), None)
    if missing is not None:
        raise RequestError(f"{found.path} has no part {missing!r}: choose from {', '.join(sorted(known)) or 'none'}")
    pictures = [picture for picture in raw.pictures if not parts or picture.part in parts]
    labels = _labels(found, pictures, names)
    told = _Told(Counter(), {})
    told.add_all(raw.left_out)
    with ThreadPoolExecutor(4) as pool:  # file headers: the disk is what takes its time
        sizes = list(counted(pool.map(size_of, (p.path for p in pictures)), len(pictures), progress))
    scenes, crops, kept_sizes, notes = [], [], [], _Told(Counter(), {})
    notes.add_all(raw.notes)
    for picture, size in zip(pictures, sizes, strict=True):
        if isinstance(size, str):
            told.add(size, str(picture.path))
        elif picture.label is not None:
            crops += [LabelledImage(picture.path, label, _set(found)) for label in [labels[picture.label][0]] if label]
            if not labels[picture.label][0]:
                told.add(f"pictures labelled {picture.label!r}, as asked for", str(picture.path))
        else:
            scenes.append(_scene(picture, size, labels, _set(found), told, notes))
            kept_sizes.append(size)
    if not scenes and not crops:
        what, example = next(iter(told.examples.items()), ("there are none", ""))
        raise SourceNotFoundError(f"{found.path} has no picture that can be read: {what} ({example})")
    counts = Counter(picture.part for picture in pictures if picture.part)
    return Imported(
        found.format,
        found.path,
        tuple(scenes),
        tuple(crops),
        tuple(kept_sizes),
        labels,
        counts,
        told.all(),
        notes.all(),
    )


@dataclass(slots=True)
class _Told:
    counts: Counter[str]
    examples: dict[str, str]

    def add(self, what: str, example: str) -> None:
        self.counts[what] += 1
        self.examples.setdefault(what, example)

    def add_all(self, entries: Sequence[tuple[str, str]]) -> None:
        for what, example in entries:
            self.add(what, example)

    def all(self) -> tuple[Told, ...]:
        return tuple((what, count, self.examples[what]) for what, count in self.counts.most_common())


def _set(found: Found) -> str:
    folder = found.path if found.path.is_dir() else found.path.parent
    folder = folder.parent if folder.name.lower() == "annotations" else folder
    return folder.resolve().name or "data"


def _labels(found: Found, pictures: Sequence[RawPicture], names: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    counts = Counter(label for picture in pictures for label in _all_labels(picture))
    unknown = [name for name in counts if name not in names and own_label(name) is None]
    if unknown:
        said = ", ".join(f"{name!r} ({counts[name]})" for name in unknown[:8])
        raise RequestError(
            f"{found.path} has labels that are not ours: {said}; say what each means with "
            f"--map {unknown[0]!r}=without_mask (or with_mask, incorrect_mask, or nothing to leave its faces out)"
        )
    unused = [name for name in names if name not in counts]
    if unused and counts and not set(names) & set(counts):
        raise RequestError(f"--map names {unused[0]!r}, but {found.path} has the labels {', '.join(sorted(counts))}")
    return {name: (names.get(name, own_label(name) or LEFT_OUT), count) for name, count in counts.items()}


def _all_labels(picture: RawPicture) -> Iterator[str]:
    if picture.label is not None:
        yield picture.label
    for box in picture.boxes:
        yield box.label


def size_of(path: Path) -> tuple[int, int] | str:
    """Return width and height of a picture as it is seen, or why it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            lying = image.getexif().get(_EXIF_ORIENTATION) in _LYING
        return (height, width) if lying else (width, height)
    except FileNotFoundError:
        return "pictures that are not there"
    except Exception:  # whatever a broken file leads Pillow to
        return "pictures that cannot be read"


def _scene(
    picture: RawPicture,
    size_wh: tuple[int, int],
    labels: Mapping[str, tuple[str, int]],
    set_name: str,
    told: _Told,
    notes: _Told,
) -> Scene:
    boxes: list[Box] = []
    kept: list[str] = []
    for raw in picture.boxes:
        label = labels[raw.label][0]
        box = _in_pixels(raw, size_wh)
        inside = _clip(box, size_wh)
        if label == LEFT_OUT:
            told.add(f"faces labelled {raw.label!r}, as asked for", picture.path.name)
        elif inside is None:
            told.add("boxes that lie outside of their picture or have no area", picture.path.name)
        else:
            if max(abs(a - b) for a, b in zip(box, inside, strict=True)) > 1:
                notes.add("boxes that reach out of their picture, cut at its edge", picture.path.name)
            boxes.append(inside)
            kept.append(label)
    return Scene(picture.path, set_name, np.asarray(boxes, np.float32).reshape(-1, 4), tuple(kept))


def _in_pixels(raw: RawBox, size_wh: tuple[int, int]) -> Box:
    if not raw.relative:
        return raw.box
    left, top, right, bottom = raw.box
    width, height = size_wh
    return left * width, top * height, right * width, bottom * height


def _clip(box: Box, size_wh: tuple[int, int]) -> Box | None:
    left, top, right, bottom = box
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(size_wh[0])), min(bottom, float(size_wh[1])))
    return inside if min(inside[2] - inside[0], inside[3] - inside[1]) >= _LEAST_SIDE_PX else None
