"""Answers of single models on annotated scenes: accuracy to stand beside their speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskinfer.benchmark.agreement import Answers, Ask, Model
from maskinfer.engine.classifier import OnnxClassifier
from maskinfer.engine.detector import OnnxDetector, load_detector
from maskinfer.engine.engine import Engine
from maskinfer.engine.images import read_image
from maskinfer.export.side_by_side import LabelledCrops, as_result, labelled_crops
from maskinfer.training.scenes import judge, read_scenes


def ask_scenes(data: Path) -> Ask:
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

    def classifier(model: OnnxClassifier) -> Answers:
        key = model.contract.crop, model.contract.size_wh, model.contract.labels
        if key not in cut:
            cut[key] = labelled_crops(Engine(load_detector(provider="cpu"), model), scenes)
        said = model(cut[key].crops).argmax(1)
        right = np.array(model.contract.labels)[said] == np.array(cut[key].labels)
        return Answers((said,), float(right.mean()))

    def detector(model: OnnxDetector) -> Answers:
        said = [model([read_image(scene.path)])[0] for scene in scenes]
        judged = [
            judge(i, scene, as_result(found))[0] for i, (scene, found) in enumerate(zip(scenes, said, strict=True))
        ]
        hits = [face.found is not None for faces in judged for face in faces]
        return Answers(tuple(found.xyxy for found in said), sum(hits) / max(1, len(hits)))

    def ask(model: Model) -> Answers:
        return classifier(model) if isinstance(model, OnnxClassifier) else detector(model)

    return ask
