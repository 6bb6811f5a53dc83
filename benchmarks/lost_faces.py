"""Where annotated faces are lost, and what other rules for what is a face would find.

python -m benchmarks.lost_faces --data dev/

Prints, by data set and label, how many faces the detector does not even propose at a low score, proposes only below
the score from which the classifier is asked, proposes but loses by the face check, and labels wrong. Then it prints the
figures of other least scores of proposals and of faces, and what the detector finds alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from maskinfer.console.progress import progress_bar
from maskinfer.engine.contract import FaceCheck
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import OnnxDetector, load_detector
from maskinfer.engine.faces.face_check import face_scores, logits
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import counted
from maskinfer.engine.results import LABELS, WITH_MASK, WITHOUT_MASK, FloatArray
from maskinfer.training.data.scenes import Scene, read_scenes
from maskinfer.training.evaluation.box_fit import FACTORS, scale_boxes
from maskinfer.training.evaluation.matching import NOTHING, assign

LEAST_SCORE = 0.1
PROPOSALS_FROM = (0.4, 0.3, 0.2)
THRESHOLDS = (0.1, 0.13, 0.16, 0.19, 0.25)
ALONE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
MIN_IOU, MIN_SIDE_PX = 0.4, 16


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is proposed on a scene: boxes (N, 4), the detector's and the face check's scores, and labels (N,)."""

    scene: Scene
    xyxy: FloatArray
    det_scores: FloatArray
    scores: FloatArray
    labels: NDArray[np.int64]

    def kept(self, proposals_from: float, threshold: float) -> Proposed:
        """Return those that are asked about and taken for faces, best first."""
        kept = np.flatnonzero((self.det_scores >= proposals_from) & (self.scores >= threshold))
        order = kept[np.argsort(-self.scores[kept], kind="stable")]
        return Proposed(self.scene, self.xyxy[order], self.det_scores[order], self.scores[order], self.labels[order])


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Annotated scenes.")
@click.option("--classifier", default="mobilenetv2-128", show_default=True, help="Name or file; it tells faces.")
@click.option("--detector", default="retinaface-mask", show_default=True, help="Name or file.")
@click.option("--detector-kind", help="Of a file without a contract: scrfd.")
@click.option("--det-size", type=int, default=640, show_default=True, help="Of the detector's input, in pixels.")
def main(data: Path, classifier: str, detector: str, detector_kind: str | None, det_size: int) -> None:
    """Print the three tables."""
    finder = load_detector(
        detector, kind=detector_kind, provider="cpu", det_threshold=LEAST_SCORE, det_size_wh=(det_size, det_size)
    )
    labeller = load_classifier(classifier, provider="cpu")
    check = labeller.contract.face_check
    if check is None:
        raise RequestError(f"{classifier} has no face check: choose one that has")
    scenes = read_scenes(data)
    by_set: dict[str, list[Proposed]] = {}
    with progress_bar("look", "scenes") as progress:
        for scene in counted(scenes, len(scenes), progress):
            by_set.setdefault(scene.set, []).append(propose(finder, labeller, check, scene))
    factors = {name: best_factor([one.kept(check.proposals_from, check.threshold) for one in rows])
               for name, rows in by_set.items()}  # fmt: skip
    show_lost(by_set, factors, check)
    show_rules(by_set, factors)
    show_alone(by_set, factors)


def propose(detector: OnnxDetector, classifier: OnnxClassifier, check: FaceCheck, scene: Scene) -> Proposed:
    """Return all that the detector proposes on a scene."""
    image = read_image(scene.path)
    found = detector([image])[0]
    contract = classifier.contract
    look = classifier.look(cut_crops(image, found.xyxy, contract.crop, contract.size_wh))
    seen_as = logits(np.zeros(0, np.float32) if look.face is None else look.face)
    labels = look.probabilities.reshape(-1, len(contract.labels)).argmax(1)
    return Proposed(scene, found.xyxy, found.scores, face_scores(check, seen_as, found.scores), labels)


def best_factor(rows: Sequence[Proposed]) -> float:
    """Return the factor of a set's boxes with which most faces are found."""

    def found(factor: float) -> int:
        return sum(int((labels_found(one, factor)[counts(one.scene)] >= 0).sum()) for one in rows)

    return max(sorted(FACTORS, key=lambda factor: abs(factor - 1)), key=found)


def counts(scene: Scene) -> NDArray[np.bool_]:
    """Return which faces of a scene are large enough to count."""
    return np.asarray((scene.xyxy[:, 2:] - scene.xyxy[:, :2]).min(1) >= MIN_SIDE_PX)


def labels_found(one: Proposed, factor: float) -> NDArray[np.int64]:
    """Return of each face of the scene the label that it was given; -1 where it was not found."""
    given = np.full(len(one.scene.xyxy), -1, np.int64)
    matches = assign(scale_boxes(one.xyxy, factor), one.scene.xyxy, MIN_IOU)
    given[matches[matches >= 0]] = one.labels[matches >= 0]
    return given


def show_lost(by_set: Mapping[str, Sequence[Proposed]], factors: Mapping[str, float], check: FaceCheck) -> None:
    """Print at which step faces are lost."""
    print(f"set, label: faces | not proposed | proposed under {check.proposals_from:g} | no face | wrong label")
    for name, rows in by_set.items():
        large = np.concatenate([counts(one.scene) for one in rows])
        true = np.concatenate([[LABELS.index(label) for label in one.scene.labels] for one in rows])[large]
        steps = ((LEAST_SCORE, 0.0), (check.proposals_from, 0.0), (check.proposals_from, check.threshold))
        all_, asked, given = (
            np.concatenate([labels_found(one.kept(*step), factors[name]) for one in rows])[large] for step in steps
        )
        for i, label in enumerate(LABELS):
            own = true == i
            if not own.any():
                continue
            lost = (all_ < 0, (all_ >= 0) & (asked < 0), (asked >= 0) & (given < 0), (given >= 0) & (given != i))
            numbers = " | ".join(f"{(own & kind).sum():3d} ({(own & kind).sum() / own.sum():.1%})" for kind in lost)
            print(f"{name}, {label}: {own.sum()} | {numbers}")


def show_rules(by_set: Mapping[str, Sequence[Proposed]], factors: Mapping[str, float]) -> None:
    """Print what other least scores of proposals and of faces give."""
    print("proposals from, faces from: crops | macro recall, two labels: mean, worst | three labels | false positives")
    for least in PROPOSALS_FROM:
        crops = np.mean([(one.det_scores >= least).sum() for rows in by_set.values() for one in rows])
        for threshold in THRESHOLDS:
            two, three, false = zip(*(
                figures([one.kept(least, threshold) for one in rows], factors[name]) for name, rows in by_set.items()
            ), strict=True)  # fmt: skip
            print(f"{least:g}, {threshold:g}: {crops:.2f} | {np.mean(two):.4f}, {min(two):.4f} | "
                  f"{np.mean(three):.4f} | {np.mean(false):.3f}")  # fmt: skip


def show_alone(by_set: Mapping[str, Sequence[Proposed]], factors: Mapping[str, float]) -> None:
    """Print what the detector alone finds at several least scores."""
    print("detector alone, from: masked and bare faces found, mean over sets | false positives")
    for threshold in ALONE:
        found, false = zip(*(
            found_alone([one.kept(threshold, 0.0) for one in rows], factors[name]) for name, rows in by_set.items()
        ), strict=True)  # fmt: skip
        print(f"{threshold:g}: {np.mean(found):.4f} | {np.mean(false):.3f}")


def found_alone(rows: Sequence[Proposed], factor: float) -> tuple[float, float]:
    """Return the mean share of masked and of bare faces that are found, and false positives per image."""
    large = np.concatenate([counts(one.scene) for one in rows])
    true = np.concatenate([one.scene.labels for one in rows])[large]
    found = np.concatenate([labels_found(one, factor) for one in rows])[large] >= 0
    shares = [float(found[true == label].mean()) for label in (WITH_MASK, WITHOUT_MASK) if (true == label).any()]
    return float(np.mean(shares)), figures(rows, factor)[2]


def figures(rows: Sequence[Proposed], factor: float) -> tuple[float, float, float]:
    """Return macro recall over those of two and of three labels that occur, and false positives per image."""
    large = np.concatenate([counts(one.scene) for one in rows])
    true = np.concatenate([[LABELS.index(label) for label in one.scene.labels] for one in rows])[large]
    given = np.concatenate([labels_found(one, factor) for one in rows])[large]
    right = {i: float((given[true == i] == i).mean()) for i in np.unique(true)}
    false = 0
    for one in rows:
        boxes = scale_boxes(one.xyxy, factor)
        alone = assign(boxes, one.scene.xyxy, MIN_IOU) == NOTHING
        false += int((alone & ((boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) >= MIN_SIDE_PX)).sum())
    two = [share for i, share in right.items() if LABELS[i] in (WITH_MASK, WITHOUT_MASK)]
    return float(np.mean(two)), float(np.mean(list(right.values()))), false / len(rows)


if __name__ == "__main__":
    main()
