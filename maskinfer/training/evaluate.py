"""End-to-end evaluation: detector and classifier together, on annotated scenes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from maskinfer.engine.atomic import whole_file
from maskinfer.engine.engine import Engine
from maskinfer.engine.images import read_image
from maskinfer.engine.jsonl import open_jsonl
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sources import SourceFrame
from maskinfer.training.scenes import Scene, SceneScore, read_scenes, score_scenes, to_dict

ALL = "all"


def evaluate_scenes(
    engine: Engine,
    data: Path,
    *,
    iou: float = 0.4,
    min_side_px: float = 16,
    jsonl: str | None = None,
    on_result: Callable[[FrameResult], None] = lambda result: None,
    on_total: Callable[[int], None] = lambda total: None,
) -> dict[str, SceneScore]:
    """Run the engine over annotated scenes.

    Args:
        engine: the detector and the classifier to evaluate.
        data: a scenes file, or a folder with ``scenes.jsonl``.
        iou: least overlap of a detection with the face it finds.
        min_side_px: faces whose shorter side is under this are left out.
        jsonl: file for the predictions, or ``-``.
        on_result: called after each scene.
        on_total: called once, with the number of scenes.

    Returns:
        The figures over all scenes under ``all``, then those of each data set under its name.

    Raises:
        SourceNotFoundError, SourceError: the scenes or one of their images cannot be read.
    """
    scenes = read_scenes(data)
    pairs: list[tuple[Scene, FrameResult]] = []
    on_total(len(scenes))
    with open_jsonl(jsonl) as write:
        for scene in scenes:
            result = engine.infer([SourceFrame(str(scene.path), 0, 0.0, read_image(scene.path))])[0]
            pairs.append((scene, result))
            write(result)
            on_result(result)
    groups = {ALL: pairs}
    for name in sorted({scene.set for scene in scenes} - {""}):
        groups[name] = [(scene, result) for scene, result in pairs if scene.set == name]
    return {name: score_scenes(group, iou=iou, min_side_px=min_side_px) for name, group in groups.items()}


def write_json(scores: Mapping[str, SceneScore], file: Path) -> None:
    """Write the figures of every data set as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps({name: to_dict(score) for name, score in scores.items()}, indent=2)
    with whole_file(file) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
