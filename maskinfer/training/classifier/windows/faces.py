"""Faces for training, found by the shipped detector and cut with the engine's own crop function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.contract import CropRule
from maskinfer.engine.errors import SourceNotFoundError
from maskinfer.engine.faces.boxes import iou_matrix, suppress
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import AUTO_DETECTOR, OnnxDetector, load_detector
from maskinfer.engine.files.cache import cache_folder
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.results import BGRBatch, BGRFrame, Detections, FloatArray
from maskinfer.training.classifier.windows.window_file import window_file
from maskinfer.training.data.head_pose import head_pose
from maskinfer.training.data.main_face import find_main_face
from maskinfer.training.data.samples import LabelledImage, read_samples
from maskinfer.training.data.scenes import SCENES_FILE, Scene, read_scenes

# Windows reach further than the crop rule, so that a jittered crop still finds pixels.
WINDOW_MARGIN = 0.5
WINDOW_PX = 192
FACE_SHARE = 1 / (1 + 2 * WINDOW_MARGIN)
# Faces of scenes with a shorter side under these carry too little to learn from, or are often no faces at all.
MIN_ANNOTATED_SIDE_PX = 9
MIN_BARE_SIDE_PX = 12
MIN_BARE_SCORE = 0.6
MIN_MATCH_IOU = 0.4
# The label of what the detector takes for a face and is none.
NO_FACE = -1
_DET_THRESHOLD = 0.3
# Of a box that overlaps no annotated face by more than this the face is not.
_MAX_NO_FACE_IOU = 0.1
# Of small boxes without an annotated face those with high scores are mostly faces that the annotators left out.
_SURELY_NONE_SCORE, _SURELY_NONE_SIDE_PX = 0.55, 110
# The detector errs differently on what it sees larger, smaller, and mirrored.
_VIEW_SIDES_PX = (640, 960, 416)
_SAME_IOU = 0.5
_PADDED_DET_SIDE_PX = 320


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces with labels, and what the detector takes for faces.

    Attributes:
        windows: uint8 (N, 192, 192, 3), BGR; the face's box takes the middle half of the side.
        labels: int64 (N,), indices into the recipe's labels, or ``NO_FACE``.
        sets: N names of data sets.
        sources: N paths of the pictures, as given.
        turned: bool (N,), whether the head is turned by its landmarks: see ``pose``; False where there are none.
        scores: float32 (N,), the detector's; NaN of boxes that are not the detector's.
    """

    windows: BGRBatch
    labels: NDArray[np.int64]
    sets: tuple[str, ...]
    sources: tuple[str, ...]
    turned: NDArray[np.bool_]
    scores: FloatArray


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Boxes of one picture, xyxy (N, 4), with landmarks (N, 5, 2) and scores (N,), NaN where there are none."""

    xyxy: FloatArray
    landmarks: FloatArray
    scores: FloatArray
    labels: Sequence[str | None]


def window_share(rule: CropRule) -> float:
    """Return the share of a window's side that the crop rule's crop takes."""
    return (1 + 2 * rule.margin) * FACE_SHARE


def collect_faces(
    folders: Sequence[Path], labels: Sequence[str], progress: Progress = SILENT, *, no_faces: bool = False
) -> Faces:
    """Find and cut all faces of training folders, or take them from where an earlier call left them.

    A face of an annotated scene is in it twice when the detector finds it: by the detector's box and by the
    annotated one.

    Args:
        folders: see ``samples``.
        labels: the recipe's.
        progress: told how many pictures there are and have been read.
        no_faces: take too what the detector takes for faces in annotated scenes and is none.

    Raises:
        SourceNotFoundError, SourceError: a folder or a picture cannot be read, or no face is found.
    """
    # Not the default, which depends on the processor: the same data make the same faces everywhere.
    detector = load_detector(AUTO_DETECTOR, det_threshold=_DET_THRESHOLD, box_margin=0.0)
    samples = read_samples(folders, labels)
    scenes = [s for folder in folders if (folder / SCENES_FILE).is_file() for s in read_scenes(folder)]
    lists = [file for folder in folders for file in sorted(folder.glob("*.jsonl"))]
    kept = window_file(
        cache_folder().parent / "faces",
        WINDOW_PX,
        settings=(WINDOW_MARGIN, tuple(labels), no_faces, _VIEW_SIDES_PX, _DET_THRESHOLD),
        models=[find_model(AUTO_DETECTOR, "detector")],
        data=[*lists, *(sample.path for sample in samples), *(scene.path for scene in scenes)],
    )
    if not kept.is_whole():
        progress.set_total(len(samples) + len(scenes))
        kept.write(_cut_all(detector, samples, scenes, labels, no_faces, progress))
    windows, records = kept.read()
    if not records:
        raise SourceNotFoundError(f"no face was found in {', '.join(map(str, folders))}")
    return Faces(
        windows,
        np.asarray([labels.index(r["label"]) if r["label"] else NO_FACE for r in records], np.int64),
        tuple(record["set"] for record in records),
        tuple(record["source"] for record in records),
        np.asarray([record["turned"] for record in records], np.bool_),
        np.asarray([np.nan if r["score"] is None else r["score"] for r in records], np.float32),
    )


def _cut_all(
    detector: OnnxDetector,
    samples: Sequence[LabelledImage],
    scenes: Sequence[Scene],
    labels: Sequence[str],
    no_faces: bool,
    progress: Progress,
) -> Iterator[tuple[BGRFrame, list[dict[str, Any]]]]:
    """Yield the windows of each picture, and a record of each."""
    rule = CropRule(margin=WINDOW_MARGIN)
    for image, boxes, set_name, source in _find_all(detector, samples, scenes, labels, no_faces):
        turned = head_pose(boxes.landmarks).turned
        records = [
            {
                "label": label,
                "set": set_name,
                "source": str(source),
                "turned": bool(turned[i]),
                "score": None if np.isnan(boxes.scores[i]) else round(float(boxes.scores[i]), 4),
                "xyxy": [round(float(v), 1) for v in boxes.xyxy[i]],
            }
            for i, label in enumerate(boxes.labels)
        ]
        yield cut_crops(image, boxes.xyxy, rule, (WINDOW_PX, WINDOW_PX)), records
        progress.advance()


def _find_all(
    detector: OnnxDetector,
    samples: Sequence[LabelledImage],
    scenes: Sequence[Scene],
    labels: Sequence[str],
    no_faces: bool,
) -> Iterator[tuple[BGRFrame, _Boxes, str, Path]]:
    padded_detector = _at_size(detector, _PADDED_DET_SIDE_PX)
    for sample in samples:
        image = read_image(sample.path)
        found = _bare_faces(detector, image) if sample.many else _main_face(detector, padded_detector, image)
        yield image, replace(found, labels=[sample.label] * len(found.xyxy)), sample.set, sample.path
    for scene in scenes:
        image = read_image(scene.path)
        yield image, _annotated_faces(detector, image, scene, labels), scene.set, scene.path
        if no_faces:
            yield image, _no_faces(detector, image, scene), scene.set, scene.path


def _at_size(detector: OnnxDetector, side_px: int) -> OnnxDetector:
    return replace(detector, contract=replace(detector.contract, size_wh=(side_px, side_px)))


def _main_face(detector: OnnxDetector, padded_detector: OnnxDetector, image: BGRFrame) -> _Boxes:
    """Return the one face that a picture shows; none if it is no plausible picture of a face."""
    found = find_main_face(detector, image, padded_detector=padded_detector)
    if len(found):
        return _unlabelled(found)
    height, width = image.shape[:2]
    if min(width, height) < max(width, height) / 2:
        return _unlabelled(found)
    whole = np.array([[0.13 * width, 0.13 * height, 0.87 * width, 0.87 * height]], np.float32)
    unknown = np.full((1, 5, 2), np.nan, np.float32)
    return _Boxes(whole, unknown, np.full(1, np.nan, np.float32), [])


def _bare_faces(detector: OnnxDetector, image: BGRFrame) -> _Boxes:
    found = detector([image])[0]
    sides = (found.xyxy[:, 2:] - found.xyxy[:, :2]).min(1)
    kept = np.flatnonzero((found.scores >= MIN_BARE_SCORE) & (sides >= MIN_BARE_SIDE_PX))
    boxes = _unlabelled(found)
    return _Boxes(boxes.xyxy[kept], boxes.landmarks[kept], boxes.scores[kept], [])


def _annotated_faces(detector: OnnxDetector, image: BGRFrame, scene: Scene, labels: Sequence[str]) -> _Boxes:
    found = _unlabelled(detector([image])[0])
    overlaps = iou_matrix(found.xyxy, scene.xyxy)
    parts: list[tuple[FloatArray, FloatArray, float, str]] = []
    for i, (box, label) in enumerate(zip(scene.xyxy, scene.labels, strict=True)):
        if label not in labels or (box[2:] - box[:2]).min() < MIN_ANNOTATED_SIDE_PX:
            continue
        seen = np.full((5, 2), np.nan, np.float32)
        if len(overlaps) and overlaps[:, i].max() >= MIN_MATCH_IOU:
            best = int(overlaps[:, i].argmax())
            seen = found.landmarks[best]
            parts.append((found.xyxy[best], seen, float(found.scores[best]), label))
        parts.append((box, seen, float("nan"), label))
    boxes, points = [part[0] for part in parts], [part[1] for part in parts]
    return _Boxes(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(points, np.float32).reshape(-1, 5, 2),
        np.asarray([part[2] for part in parts], np.float32),
        [part[3] for part in parts],
    )


def _no_faces(detector: OnnxDetector, image: BGRFrame, scene: Scene) -> _Boxes:
    """Return what the detector takes for faces and no annotated face is near; each once."""
    width = image.shape[1]
    found: list[Detections] = [_at_size(detector, side)([image])[0] for side in _VIEW_SIDES_PX]
    mirrored = detector([np.ascontiguousarray(image[:, ::-1])])[0]
    back = mirrored.xyxy[:, [2, 1, 0, 3]]
    back[:, ::2] = width - back[:, ::2]
    xyxy = np.concatenate([*(one.xyxy for one in found), back])
    scores = np.concatenate([*(one.scores for one in found), mirrored.scores])
    overlaps = iou_matrix(xyxy, scene.xyxy).max(1, initial=0)
    sides = (xyxy[:, 2:] - xyxy[:, :2]).min(1)
    # Of one thing in several views the best score counts: a face without a box may score low in one of them.
    alone = np.flatnonzero((overlaps < _MAX_NO_FACE_IOU) & (sides >= MIN_BARE_SIDE_PX))
    kept = alone[suppress(xyxy[alone], scores[alone], _SAME_IOU)]
    kept = kept[(scores[kept] < _SURELY_NONE_SCORE) | (sides[kept] >= _SURELY_NONE_SIDE_PX)]
    return _Boxes(xyxy[kept], np.full((len(kept), 5, 2), np.nan, np.float32), scores[kept], [None] * len(kept))


def _unlabelled(found: Detections) -> _Boxes:
    landmarks = found.landmarks
    if landmarks is None:
        landmarks = np.full((len(found), 5, 2), np.nan, np.float32)
    return _Boxes(found.xyxy, landmarks, found.scores, [])
