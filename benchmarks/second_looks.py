"""What it gives to look again at faces whose label is doubtful, in which ways, and at how many.

python -m benchmarks.second_looks --data dev/

The classifier looks at each face as it is cut, as in a mirror, and, as in a mirror, with other margins. Printed is
what is right when the mean of some of these looks counts for faces whose label has a low score, and when fewer or more
masks are expected to be worn incorrectly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.lost_faces import Proposed, best_factor, figures
from maskinfer.console.progress import progress_bar
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import OnnxDetector, load_detector
from maskinfer.engine.faces.face_check import face_scores, logits
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import counted
from maskinfer.engine.results import INCORRECT_MASK, LABELS, FloatArray
from maskinfer.training.data.scenes import Scene, read_scenes

FIRST, MIRROR = "as it is", "mirror"
MARGINS = (0.06, 0.2, 0.27, 0.35)
BELOW = (0.6, 0.7, 0.8, 0.9)
# Shares of incorrectly worn masks, as parts of what the classifier expects.
PRIORS = (0.5, 0.7, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class Looked:
    """The faces of a scene, the best first: boxes (N, 4), scores of both models (N,), what each look says (N, 3)."""

    scene: Scene
    xyxy: FloatArray
    det_scores: FloatArray
    scores: FloatArray
    looks: Mapping[str, FloatArray]

    def labelled(self, ways: Sequence[str], below: float, prior: float) -> tuple[Proposed, NDArray[np.bool_]]:
        """Return the faces with their labels when doubtful ones count in these ways too, and which are doubtful."""
        looks = {name: _expecting(rows, prior) for name, rows in self.looks.items()}
        first = looks[FIRST]
        doubtful = first.max(1, initial=0) < below
        mean = np.mean([first, *(looks[way] for way in ways)], axis=0)
        labels = np.where(doubtful[:, None], mean, first).argmax(1) if len(first) else np.zeros(0, np.int64)
        return Proposed(self.scene, self.xyxy, self.det_scores, self.scores, labels), doubtful


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Annotated scenes.")
@click.option("--classifier", default="mobilenetv2-128", show_default=True, help="Name or file; it tells faces.")
@click.option("--detector", default="retinaface-mask", show_default=True, help="Name or file.")
def main(data: Path, classifier: str, detector: str) -> None:
    """Print the table."""
    labeller = load_classifier(classifier, provider="cpu")
    check = labeller.contract.face_check
    if check is None:
        raise RequestError(f"{classifier} has no face check: choose one that has")
    finder = load_detector(detector, provider="cpu", det_threshold=check.proposals_from)
    scenes = read_scenes(data)
    by_set: dict[str, list[Looked]] = {}
    with progress_bar("look", "scenes") as progress:
        for scene in counted(scenes, len(scenes), progress):
            by_set.setdefault(scene.set, []).append(look(finder, labeller, scene))
    print("second look | under | incorrect_mask expected, times | macro recall, two labels: mean, worst | three labels "
          "| looked at again")  # fmt: skip
    wide = [f"mirror, {margin:g}" for margin in MARGINS]
    for ways in ((), (MIRROR,), *((way,) for way in wide), *((MIRROR, way) for way in wide)):
        show(by_set, ways, 0.8, 1.0)
    usual = (MIRROR, wide[2])
    for below in BELOW:
        show(by_set, usual, below, 1.0)
    for ways in ((), usual):
        for prior in PRIORS:
            show(by_set, ways, 0.8, prior)


def look(detector: OnnxDetector, classifier: OnnxClassifier, scene: Scene) -> Looked:
    """Return the faces of a scene, and what the classifier says of each in every way."""
    image, contract = read_image(scene.path), classifier.contract
    found = detector([image])[0]

    def crops_of(xyxy: FloatArray, margin: float) -> NDArray[np.uint8]:
        return cut_crops(image, xyxy, replace(contract.crop, margin=margin), contract.size_wh)

    said = classifier.look(crops_of(found.xyxy, contract.crop.margin))
    if contract.face_check is None or said.face is None:
        raise RequestError(f"{contract.name} has no face check: choose one that has")
    scores = face_scores(contract.face_check, logits(said.face), found.scores)
    order = np.argsort(-scores, kind="stable")
    faces = order[scores[order] >= contract.face_check.threshold]
    xyxy = found.xyxy[faces]
    looks = {FIRST: said.probabilities[faces]}
    for name, margin in ((MIRROR, contract.crop.margin), *((f"mirror, {margin:g}", margin) for margin in MARGINS)):
        looks[name] = classifier(np.ascontiguousarray(crops_of(xyxy, margin)[:, :, ::-1]))
    return Looked(scene, xyxy, found.scores[faces], scores[faces], looks)


def _expecting(rows: FloatArray, prior: float) -> FloatArray:
    """Return probabilities as of a classifier that expects so many times as many incorrectly worn masks."""
    weighed = rows * np.array([prior if label == INCORRECT_MASK else 1 for label in LABELS], np.float32)
    return np.asarray(weighed / weighed.sum(1, keepdims=True), np.float32)


def show(by_set: Mapping[str, Sequence[Looked]], ways: Sequence[str], below: float, prior: float) -> None:
    """Print a line."""
    rows, doubtful = {}, []
    for name, looked in by_set.items():
        each = [one.labelled(ways, below, prior) for one in looked]
        rows[name] = [one for one, _ in each]
        doubtful += [again for _, again in each]
    two, three, _ = zip(*(figures(one, best_factor(one)) for one in rows.values()), strict=True)
    again = np.concatenate(doubtful).mean() if ways else 0.0
    print(f"{' + '.join(ways) or 'none'} | {below:g} | {prior:g} | {np.mean(two):.4f}, {min(two):.4f} | "
          f"{np.mean(three):.4f} | {again:.1%}")  # fmt: skip


if __name__ == "__main__":
    main()
