"""Faces for training, found by the shipped detector and cut with the engine's own crop function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.contract import CropRule
from maskinfer.engine.errors import SourceNotFoundError
from maskinfer.engine.faces.boxes import grown, iou_matrix
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import AUTO_DETECTOR, OnnxDetector, load_detector
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import BGRBatch, BGRFrame, Detections, FloatArray
from maskinfer.training.data.head_pose import head_pose
from maskinfer.training.data.main_face import find_main_face
from maskinfer.training.data.samples import LabelledImage, read_samples
from maskinfer.training.data.scenes import SCENES_FILE, Scene, read_scenes

# Windows reach further than the crop rule, so that a jittered crop still finds pixels.
WINDOW_MARGIN = 0.45
WINDOW_PX = 224
FACE_SHARE = 1 / (1 + 2 * WINDOW_MARGIN)
# Faces of scenes with a shorter side under these carry too little to learn from, or are often no faces at all.
MIN_ANNOTATED_SIDE_PX = 9
MIN_BARE_SIDE_PX = 12
MIN_BARE_SCORE = 0.6
MIN_MATCH_IOU = 0.4
_DET_THRESHOLD = 0.3
_PADDED_DET_SIZE_WH = (320, 320)


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces with labels.

    Attributes:
        windows: uint8 (N, 224, 224, 3), BGR; the face's box takes the middle 1 / 1.9 of the side.
        labels: int64 (N,), indices into the recipe's labels.
        sets: N names of data sets.
        sources: N paths of the pictures, as given.
        turned: bool (N,), whether the head is turned by its landmarks: see ``pose``; False where there are none.
    """

    windows: BGRBatch
    labels: NDArray[np.int64]
    sets: tuple[str, ...]
    sources: tuple[str, ...]
    turned: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Found:
    image: BGRFrame
    xyxy: FloatArray
    landmarks: FloatArray
    labels: Sequence[str]
    set: str
    source: Path


def window_share(rule: CropRule) -> float:
    """Return the share of a window's side that the crop rule's crop takes."""
    return (1 + 2 * rule.margin) * FACE_SHARE


def collect_faces(folders: Sequence[Path], labels: Sequence[str], progress: Progress = SILENT) -> Faces:
    """Find and cut all faces of training folders.

    A face of an annotated scene is in it twice when the detector finds it: by the detector's box and by the
    annotated one.

    Args:
        folders: see ``samples``.
        labels: the recipe's.
        progress: told how many pictures there are and have been read.

    Raises:
        SourceNotFoundError, SourceError: a folder or a picture cannot be read, or no face is found.
    """
    # Not the default, which depends on the processor: the same data make the same faces everywhere.
    detector = load_detector(AUTO_DETECTOR, det_threshold=_DET_THRESHOLD)
    samples = read_samples(folders, labels)
    scenes = [s for folder in folders if (folder / SCENES_FILE).is_file() for s in read_scenes(folder)]
    total = len(samples) + len(scenes)
    windows: list[BGRFrame] = []
    names: list[tuple[int, str, str]] = []
    turned: list[NDArray[np.bool_]] = []
    for found in counted(_find_all(detector, samples, scenes, labels), total, progress):
        windows.extend(cut_crops(found.image, found.xyxy, CropRule(margin=WINDOW_MARGIN), (WINDOW_PX, WINDOW_PX)))
        names.extend((labels.index(label), found.set, str(found.source)) for label in found.labels)
        turned.append(head_pose(found.landmarks).turned)
    if not names:
        raise SourceNotFoundError(f"no face was found in {', '.join(map(str, folders))}")
    indices, sets, sources = zip(*names, strict=True)
    return Faces(np.stack(windows), np.asarray(indices, np.int64), sets, sources, np.concatenate(turned))


def _find_all(
    detector: OnnxDetector, samples: Sequence[LabelledImage], scenes: Sequence[Scene], labels: Sequence[str]
) -> Iterator[_Found]:
    padded_detector = replace(detector, contract=replace(detector.contract, size_wh=_PADDED_DET_SIZE_WH))
    for sample in samples:
        image = read_image(sample.path)
        faces = _bare_faces(detector, image) if sample.many else _main_face(detector, padded_detector, image)
        yield _Found(image, *faces, [sample.label] * len(faces[0]), sample.set, sample.path)
    for scene in scenes:
        image = read_image(scene.path)
        boxes, landmarks, names = _annotated_faces(detector, image, scene, labels)
        yield _Found(image, boxes, landmarks, names, scene.set, scene.path)


def _main_face(detector: OnnxDetector, padded_detector: OnnxDetector, image: BGRFrame) -> tuple[FloatArray, FloatArray]:
    """Return box and landmarks of the one face that a picture shows; none if it is no plausible picture of a face."""
    found = find_main_face(detector, image, padded_detector=padded_detector)
    if len(found):
        return found.xyxy, _landmarks(found)
    height, width = image.shape[:2]
    if min(width, height) < max(width, height) / 2:
        return np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
    whole = np.array([[0.08, 0.08, 0.92, 0.92]]) * [width, height, width, height]
    return np.asarray(whole, np.float32), np.full((1, 5, 2), np.nan, np.float32)


def _bare_faces(detector: OnnxDetector, image: BGRFrame) -> tuple[FloatArray, FloatArray]:
    found = detector([image])[0]
    sides = (found.xyxy[:, 2:] - found.xyxy[:, :2]).min(1)
    kept = (found.scores >= MIN_BARE_SCORE) & (sides >= MIN_BARE_SIDE_PX)
    return found.xyxy[kept], _landmarks(found)[kept]


def _annotated_faces(
    detector: OnnxDetector, image: BGRFrame, scene: Scene, labels: Sequence[str]
) -> tuple[FloatArray, FloatArray, list[str]]:
    found = detector([image])[0]
    points, overlaps = _landmarks(found), iou_matrix(found.xyxy, scene.xyxy)
    boxes: list[FloatArray] = []
    landmarks: list[FloatArray] = []
    names: list[str] = []
    for i, (box, label) in enumerate(zip(scene.xyxy, scene.labels, strict=True)):
        if label not in labels or (box[2:] - box[:2]).min() < MIN_ANNOTATED_SIDE_PX:
            continue
        seen = np.full((5, 2), np.nan, np.float32)
        if len(found) and overlaps[:, i].max() >= MIN_MATCH_IOU:
            best = int(overlaps[:, i].argmax())
            seen = points[best]
            boxes.append(found.xyxy[best])
        boxes.append(grown(box[None], detector.contract.box_margin)[0])
        added = len(boxes) - len(names)
        landmarks += [seen] * added
        names += [label] * added
    return np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(landmarks).reshape(-1, 5, 2), names


def _landmarks(found: Detections) -> FloatArray:
    return np.full((len(found), 5, 2), np.nan, np.float32) if found.landmarks is None else found.landmarks
