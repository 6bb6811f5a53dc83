"""Labels that may be wrong: what several models say of a face, all of them otherwise than who labelled it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.protocols import ContractClassifier
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.site.label.answers import OTHERS, Answer, Key, Labeller
from maskinfer.site.pool import PoolPicture, picture_file


def doubtful_labels(
    site: Path,
    pool: Sequence[PoolPicture],
    labellers: Mapping[str, Labeller],
    classifiers: Sequence[ContractClassifier],
    progress: Progress = SILENT,
) -> dict[Key, str]:
    """Return the faces of which all models say the same, but not what was answered; and what they say.

    Models that were trained on these very labels agree with their mistakes: ask others.

    Args:
        site: the folder of the place.
        pool: its pictures.
        labellers: what was answered.
        classifiers: one or more.
        progress: told of each picture.

    Raises:
        SourceError: a picture cannot be read any more.
    """
    answered: dict[str, list[Answer]] = {}
    for labeller in labellers.values():
        for answer in labeller.answers.values():
            if answer.label not in OTHERS:
                answered.setdefault(answer.picture, []).append(answer)
    found: dict[Key, str] = {}
    asked = [picture for picture in pool if picture.id in answered]
    for picture in counted(asked, len(asked), progress):
        found |= _doubts(site, picture, answered[picture.id], classifiers)
    return found


def _doubts(
    site: Path, picture: PoolPicture, answers: Sequence[Answer], classifiers: Sequence[ContractClassifier]
) -> dict[Key, str]:
    image = read_image(picture_file(site, picture.id))
    faces = [a for a in answers if a.bbox is not None or a.face < len(picture.faces)]
    boxes = np.asarray([a.bbox or picture.faces[a.face].bbox for a in faces], np.float32).reshape(-1, 4)
    said: list[set[str]] = [set() for _ in faces]
    for classifier in classifiers:
        contract = classifier.contract
        for i, best in enumerate(classifier(cut_crops(image, boxes, contract.crop, contract.size_wh)).argmax(1)):
            said[i].add(contract.labels[best])
    return {
        (picture.id, answer.face): next(iter(labels))
        for answer, labels in zip(faces, said, strict=True)
        if len(labels) == 1 and answer.label not in labels
    }
