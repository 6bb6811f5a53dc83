"""Predictions of single models on annotated scenes: accuracy to stand beside their speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskinfer.benchmark.predictions import Model, Predict, Predictions
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.detector import OnnxDetector, load_detector
from maskinfer.engine.files.images import read_image
from maskinfer.export.quantize.side_by_side import LabelledCrops, as_result, labelled_crops
from maskinfer.training.data.scenes import read_scenes
from maskinfer.training.evaluation.matching import judge


def predict_scenes(data: Path) -> Predict:
    """Return what asks a model about annotated scenes.

    A classifier's accuracy is the share of right labels of the faces that the default detector finds, a detector's the
    share of annotated faces that it finds at its own threshold; faces of 16 px and more, IoU from .4.

    Args:
        data: a scenes file, or a folder with ``scenes.jsonl``.

    Raises:
        SourceNotFoundError, SourceError: the annotations cannot be read.
    """
    scenes = read_scenes(data)
    cut: dict[object, LabelledCrops] = {}

    def classifier(model: OnnxClassifier) -> Predictions:
        key = model.contract.crop, model.contract.size_wh, model.contract.labels
        if key not in cut:
            cut[key] = labelled_crops(Engine(load_detector(provider="cpu"), model), scenes)
        said = model(cut[key].crops).argmax(1)
        right = np.array(model.contract.labels)[said] == np.array(cut[key].labels)
        return Predictions((said,), float(right.mean()))

    def detector(model: OnnxDetector) -> Predictions:
        said = [model([read_image(scene.path)])[0] for scene in scenes]
        judged = [
            judge(i, scene, as_result(found))[0] for i, (scene, found) in enumerate(zip(scenes, said, strict=True))
        ]
        hits = [face.found is not None for faces in judged for face in faces]
        return Predictions(tuple(found.xyxy for found in said), sum(hits) / max(1, len(hits)))

    def ask(model: Model) -> Predictions:
        return classifier(model) if isinstance(model, OnnxClassifier) else detector(model)

    return ask
