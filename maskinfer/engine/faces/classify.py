"""What a classifier says of the faces of frames, those whose label is doubtful looked at in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

import numpy as np

from maskinfer.engine.contract import FaceCheck, SecondLook
from maskinfer.engine.faces.classifier import MAX_BATCH
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.face_check import face_scores, logits
from maskinfer.engine.faces.frame_result import FrameState, Prediction
from maskinfer.engine.faces.protocols import ContractClassifier, Look
from maskinfer.engine.faces.quality import sharpness
from maskinfer.engine.faces.track import Track
from maskinfer.engine.flow.stages import stage
from maskinfer.engine.results import BGRBatch

# They are cut and classified so many at a time, or a frame of 10,000 faces would take a gigabyte.
_CROPS_AT_ONCE = 8 * MAX_BATCH
_WIDE = 2
_Place = tuple[int, int]
"""Of a face: the index of its frame, and its own there."""


def classify(
    classifier: ContractClassifier, check: FaceCheck | None, seen: Sequence[FrameState]
) -> list[dict[int, Prediction]]:
    """Return what the classifier says of the chosen faces of each frame, by their indices.

    Args:
        classifier: see ``SecondLook`` for when it looks again.
        check: how it has a say in what is a face; None where it has none.
        seen: the frames, whose faces share the classifier's runs.
    """
    predictions: list[dict[int, Prediction]] = [{} for _ in seen]
    chosen = [(k, i) for k, state in enumerate(seen) for i in state.chosen]
    for start in range(0, len(chosen), _CROPS_AT_ONCE):
        some = chosen[start : start + _CROPS_AT_ONCE]
        with stage("crop"):
            crops = _cut_in_turn(classifier, seen, some)
            sharp = [sharpness(crop) for crop in crops]
        with stage("classify"):
            said = _looked_again(classifier, check, seen, some, crops, classifier.look(crops))
        no = [None] * len(said.probabilities)
        faces, bares = (no if p is None else logits(p).tolist() for p in (said.face, said.bare))
        for (k, i), *values in zip(some, said.probabilities, sharp, faces, bares, strict=True):
            predictions[k][i] = Prediction(*values)
    return predictions


def _cut_in_turn(classifier: ContractClassifier, seen: Sequence[FrameState], places: Sequence[_Place]) -> BGRBatch:
    """Return the crops of faces; those of a doubtful track are cut in another way from look to look.

    Its label is the mean of its looks, so that three ways cost no more than one.
    """
    contract = classifier.contract
    crops = _cut(seen, places, contract.crop.margin, classifier)
    rule = contract.second_look
    if rule is None:
        return crops
    ways = [_way(seen[k].tracks[i], rule) for k, i in places]
    if wide := [n for n, way in enumerate(ways) if way == _WIDE]:
        crops[wide] = _cut(seen, [places[n] for n in wide], rule.margin, classifier)
    if turned := [n for n, way in enumerate(ways) if way]:
        crops[turned] = crops[turned][:, :, ::-1]
    return crops


def _way(track: Track | None, rule: SecondLook) -> int:
    """Return how a face is looked at: 0 as it is, 1 as in a mirror, 2 as in a mirror with more around it."""
    if track is None or not track.classified or float(track.scores.max()) >= rule.below:
        return 0
    return track.classified % (_WIDE + 1)


def _cut(
    seen: Sequence[FrameState], places: Sequence[_Place], margin: float, classifier: ContractClassifier
) -> BGRBatch:
    """Return the crops of faces, which are in the order of their frames."""
    contract = classifier.contract
    rule = replace(contract.crop, margin=margin)
    frames = [(seen[k], [i for _, i in group]) for k, group in groupby(places, key=itemgetter(0))]
    cut = [cut_crops(state.frame.picture, state.found.xyxy[ids], rule, contract.size_wh) for state, ids in frames]
    return np.concatenate(cut)


def _looked_again(
    classifier: ContractClassifier,
    check: FaceCheck | None,
    seen: Sequence[FrameState],
    places: Sequence[_Place],
    crops: BGRBatch,
    said: Look,
) -> Look:
    """Return what the classifier says of crops after a second look at the doubtful ones, if its contract has that.

    The label of a face that is followed is a mean of many looks anyway, and what is no face needs no label.
    """
    rule = classifier.contract.second_look
    if rule is None:
        return said
    doubtful = said.probabilities.max(1) < rule.below
    doubtful &= np.array([seen[k].tracks[i] is None for k, i in places])
    if check is not None and said.face is not None:
        found = np.array([seen[k].found.scores[i] for k, i in places], np.float32)
        doubtful &= face_scores(check, logits(said.face), found) >= check.threshold
    chosen = np.flatnonzero(doubtful).tolist()
    if not chosen:
        return said
    wider = _cut(seen, [places[n] for n in chosen], rule.margin, classifier)
    mirrored = np.ascontiguousarray(np.concatenate([crops[chosen], wider])[:, :, ::-1])
    again = classifier.look(mirrored).probabilities.reshape(2, len(chosen), -1)
    probabilities = said.probabilities.copy()
    probabilities[chosen] = (said.probabilities[chosen] + again.sum(0)) / 3
    return said._replace(probabilities=probabilities)
