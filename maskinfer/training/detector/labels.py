"""Where the faces of training pictures are: annotations, and what the teacher says of pictures that have none.

A training folder holds any of ``scenes.jsonl`` (every face annotated, see ``data.scenes``), ``scenes_bare.jsonl``
(scenes whose faces are all bare, without boxes) and ``crops.jsonl`` (a face a picture, without boxes; see
``data.samples``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import LABELS, WITHOUT_MASK, FloatArray
from maskinfer.training.data.samples import BARE_FILE, CROPS_FILE, LabelledImage, read_samples
from maskinfer.training.data.scenes import SCENES_FILE, Scene, read_records, read_scenes
from maskinfer.training.detector.recipe import KINDS
from maskinfer.training.detector.teacher import Agreed, Teacher

SCENES, BARE, DRAWN, CROPS = KINDS
# Longer sides that the teacher sees pictures at. Of annotated scenes it only gives landmarks. Crops are padded, since
# faces that fill them are seldom found.
SCENE_SIZES_PX = (640,)
BARE_SIZES_PX = (480, 800)
CROP_SIZES_PX = (224, 352)
CROP_PADDING = 0.3
# Mean scores over the views: of a face; of something that is neither surely a face nor surely none.
SURE, UNSURE = 0.6, 0.15
# A crop shows a face for certain, and a large one; the teacher only has to say where.
SURE_IN_CROP, LEAST_SHARE_OF_CROP = 0.35, 0.3
MATCH_IOU = 0.4
# Fewer faces of a set in common with the teacher say nothing of how its annotators draw boxes.
LEAST_PAIRS = 20
THREADS = 2
_PADDING_BGR = (104, 117, 123)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and what is known of its faces.

    Attributes:
        path: of the picture.
        set: name of the data set that it is from.
        kind: one of ``KINDS``.
        xyxy: float32 (N, 4), its faces, in pixels.
        masked: N; whether each wears a mask in some way.
        landmarks: float32 (N, 5, 2), NaN where unknown; ordered as in ``Detections``.
        ignored: float32 (M, 4), what may be a face or not.
    """

    path: Path
    set: str
    kind: str
    xyxy: FloatArray
    masked: tuple[bool, ...]
    landmarks: FloatArray
    ignored: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))


def label_pictures(
    folders: Sequence[Path],
    teacher: Teacher,
    crop_sets: Sequence[str],
    progress: Progress = SILENT,
) -> list[Labelled]:
    """Return all pictures of training folders that have a face to learn from, or scenes to learn none from.

    Args:
        folders: see above.
        teacher: says where faces are that nobody annotated, and where landmarks are.
        crop_sets: names of the data sets whose crops of masked faces are used; other crops are left out.
        progress: told how many pictures there are and have been labelled.

    Raises:
        SourceNotFoundError, SourceError: a folder holds no such pictures, or one cannot be read.
    """
    scenes, samples = _read(folders, crop_sets)

    def look(picture: Scene | LabelledImage) -> Agreed | Labelled | None:
        if isinstance(picture, Scene):
            return teacher(read_image(picture.path), SCENE_SIZES_PX)
        return _label_bare(picture, teacher) if picture.many else _label_crop(picture, teacher)

    agreed: list[Agreed] = []
    labelled: list[Labelled] = []
    with ThreadPoolExecutor(THREADS) as pool:
        every = [*scenes, *samples]
        for found in counted(pool.map(look, every), len(every), progress):
            if isinstance(found, Agreed):
                agreed.append(found)
            elif found is not None:
                labelled.append(found)
    return label_scenes(scenes, agreed) + labelled


def _read(folders: Sequence[Path], crop_sets: Sequence[str]) -> tuple[list[Scene], list[LabelledImage]]:
    scenes: list[Scene] = []
    samples: list[LabelledImage] = []
    for folder in folders:
        names = (SCENES_FILE, BARE_FILE, CROPS_FILE)
        if not any((folder / name).is_file() for name in names):
            raise SourceNotFoundError(f"{folder} holds no pictures for a detector: expected {', '.join(names)}")
        if (folder / SCENES_FILE).is_file():
            scenes += read_scenes(folder)
        if (folder / BARE_FILE).is_file() or (folder / CROPS_FILE).is_file():
            samples += read_samples([folder], LABELS)
    # Bare faces are plenty in the scenes.
    crops = [s for s in samples if not s.many and s.set in crop_sets and s.label != WITHOUT_MASK]
    return scenes, [*(sample for sample in samples if sample.many), *crops]


def label_scenes(scenes: Sequence[Scene], agreed: Sequence[Agreed]) -> list[Labelled]:
    """Take the faces as annotated and landmarks from the teacher; ignore what only the teacher is sure of.

    Annotators of different sets draw boxes differently, some from the brows and some from the hair down. All boxes of
    a set are moved by the median offset of each side from the teacher's boxes, so that the network learns one habit.
    """
    offsets: dict[str, list[FloatArray]] = {}
    matches = [_match(scene, found) for scene, found in zip(scenes, agreed, strict=True)]
    for scene, found, pairs in zip(scenes, agreed, matches, strict=True):
        for face, best in pairs:
            box = scene.xyxy[face]
            offsets.setdefault(scene.set, []).append((found.xyxy[best] - box) / _sides(box))
    habits = {
        name: np.median(values, 0).astype(np.float32) for name, values in offsets.items() if len(values) >= LEAST_PAIRS
    }
    return [
        _label_scene(scene, found, pairs, habits.get(scene.set, np.zeros(4, np.float32)))
        for scene, found, pairs in zip(scenes, agreed, matches, strict=True)
    ]


def _sides(xyxy: FloatArray) -> FloatArray:
    """Return width, height, width, height of boxes (..., 4)."""
    return np.tile(xyxy[..., 2:] - xyxy[..., :2], 2)


def _label_scene(scene: Scene, agreed: Agreed, pairs: Sequence[tuple[int, int]], habit: FloatArray) -> Labelled:
    landmarks = np.full((len(scene.xyxy), 5, 2), np.nan, np.float32)
    for face, best in pairs:
        landmarks[face] = agreed.landmarks[best]
    # A teacher's face half on an annotated one is neither it nor another.
    alone = iou_matrix(agreed.xyxy, scene.xyxy).max(1, initial=0) < MATCH_IOU / 2
    ignored = agreed.xyxy[alone & (agreed.scores >= SURE)]
    masked = tuple(label != WITHOUT_MASK for label in scene.labels)
    xyxy = np.asarray(scene.xyxy + habit * _sides(scene.xyxy), np.float32)
    return Labelled(scene.path, scene.set, SCENES, xyxy, masked, landmarks, ignored)


def _match(scene: Scene, agreed: Agreed) -> list[tuple[int, int]]:
    """Return the (annotated, agreed) pairs of faces that the teacher is sure of."""
    if not len(scene.xyxy) or not len(agreed.xyxy):
        return []
    overlaps = iou_matrix(agreed.xyxy, scene.xyxy)
    return [
        (face, int(best))
        for face, best in enumerate(overlaps.argmax(0))
        if agreed.scores[best] >= SURE and overlaps[best, face] >= MATCH_IOU and overlaps[best].argmax() == face
    ]


def _label_bare(sample: LabelledImage, teacher: Teacher) -> Labelled:
    agreed = teacher(read_image(sample.path), BARE_SIZES_PX)
    sure = agreed.scores >= SURE
    unsure = ~sure & (agreed.scores >= UNSURE)
    masked = (sample.label != WITHOUT_MASK,) * int(sure.sum())
    return Labelled(
        sample.path, sample.set, BARE, agreed.xyxy[sure], masked, agreed.landmarks[sure], agreed.xyxy[unsure]
    )


def _label_crop(sample: LabelledImage, teacher: Teacher) -> Labelled | None:
    """Take the largest face that the teacher is sure of enough; None when there is none."""
    image = read_image(sample.path)
    height, width = image.shape[:2]
    pad = round(CROP_PADDING * max(height, width))
    padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=_PADDING_BGR)
    agreed = teacher(np.asarray(padded, np.uint8), CROP_SIZES_PX)
    sides = (agreed.xyxy[:, 2:] - agreed.xyxy[:, :2]).min(1)
    large = (agreed.scores >= SURE_IN_CROP) & (sides >= LEAST_SHARE_OF_CROP * min(height, width))
    if not large.any():
        return None
    best = int(np.where(large, sides, 0).argmax())
    others = agreed.scores >= UNSURE
    others[best] = False
    landmarks = agreed.landmarks[[best]] - pad
    if agreed.scores[best] < SURE:
        landmarks[:] = np.nan
    return Labelled(
        sample.path,
        sample.set,
        CROPS,
        agreed.xyxy[[best]] - pad,
        (True,),
        landmarks,
        agreed.xyxy[others] - pad,
    )


def read_labels(file: Path) -> list[Labelled]:
    """Return what ``save_labels`` wrote.

    Raises:
        SourceNotFoundError, SourceError: there is no such file, or it is not of that form.
    """
    return [_labelled(record, file, number) for number, record in read_records(file, "picture with labels")]


def _labelled(record: dict[str, Any], file: Path, number: int) -> Labelled:
    unknown = [[np.nan, np.nan]] * 5
    try:
        faces = record["faces"]
        return Labelled(
            Path(record["image"]),
            record["set"],
            record["kind"],
            np.asarray([face["bbox"] for face in faces], np.float32).reshape(-1, 4),
            tuple(bool(face["masked"]) for face in faces),
            np.asarray([face["landmarks"] or unknown for face in faces], np.float32).reshape(-1, 5, 2),
            np.asarray(record["ignored"], np.float32).reshape(-1, 4),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file}:{number} is not a picture with labels: {error!r}") from error


def save_labels(labelled: Sequence[Labelled], file: Path) -> None:
    """Write what is known of the pictures, a JSON object a line.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_write(file) as partial:
        partial.write_text("".join(json.dumps(_record(picture)) + "\n" for picture in labelled), encoding="utf-8")


def _record(picture: Labelled) -> dict[str, object]:
    faces = [
        {
            "bbox": np.round(box, 1).tolist(),
            "masked": masked,
            "landmarks": None if np.isnan(points).any() else np.round(points, 1).tolist(),
        }
        for box, masked, points in zip(picture.xyxy, picture.masked, picture.landmarks, strict=True)
    ]
    ignored = np.round(picture.ignored, 1).tolist()
    return {
        "image": str(picture.path),
        "set": picture.set,
        "kind": picture.kind,
        "faces": faces,
        "ignored": ignored,
    }
