"""Accuracy of single models on annotated scenes, to stand beside their speed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskinfer.benchmark.agreement import Model
from maskinfer.engine.classifier import OnnxClassifier
from maskinfer.engine.detector import OnnxDetector, load_detector
from maskinfer.engine.engine import Engine
from maskinfer.engine.images import read_image
from maskinfer.export.side_by_side import LabelledCrops, as_result, labelled_crops
from maskinfer.training.scenes import judge, read_scenes


def judges(data: Path) -> dict[str, Callable[[Model], float]]:
    """Return what gives a classifier's and a detector's accuracy on annotated scenes.

    A classifier's is the share of right labels of the faces that the default detector finds, a detector's the share of
    annotated faces that it finds at its own threshold; faces of 16 px and more, IoU from .4.

    Args:
        data: a scenes file, or a folder with ``scenes.jsonl``.

    Raises:
        SourceNotFoundError, SourceError: the annotations cannot be read.
    """
    scenes = read_scenes(data)

    cut: dict[object, LabelledCrops] = {}

    def classifier(model: Model) -> float:
        assert isinstance(model, OnnxClassifier)
        key = model.contract.crop, model.contract.size_wh, model.contract.labels
        if key not in cut:
            cut[key] = labelled_crops(Engine(load_detector(provider="cpu"), model), scenes)
        said = np.array(model.contract.labels)[model(cut[key].crops).argmax(1)]
        return float((said == np.array(cut[key].labels)).mean())

    def detector(model: Model) -> float:
        assert isinstance(model, OnnxDetector)
        faces = [
            face
            for i, scene in enumerate(scenes)
            for face in judge(i, scene, as_result(model([read_image(scene.path)])[0]))[0]
        ]
        return sum(face.found is not None for face in faces) / max(1, len(faces))

    return {"classifier": classifier, "detector": detector}
