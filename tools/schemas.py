"""Writes ``maskinfer/schemas/`` from the types: ``python -m tools.schemas``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maskinfer.control.settings.types import Settings
from maskinfer.engine.catalog.promoted import PromotedModels
from maskinfer.engine.catalog.registry import Registry
from maskinfer.engine.contract import CONTRACT_VERSION, ClassifierContract, DetectorContract
from maskinfer.engine.records import CameraRecord, EventRecord, FrameRecord
from maskinfer.engine.schema import json_schema
from maskinfer.engine.tuned.profile import Profile
from maskinfer.export.adopt.model_description import ModelDescription
from maskinfer.site.label.answers import Answer
from maskinfer.site.pool import PoolPicture
from maskinfer.training.classifier.recipe import Recipe
from maskinfer.training.detector.recipe import TASK, DetectorRecipe
from maskinfer.training.evaluation.report.card import Notes

FOLDER = Path(__file__).resolve().parent.parent / "maskinfer" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ADDRESS = "https://github.com/maskinfer/maskinfer/schemas"
_KINDS: dict[str, tuple[str, type]] = {
    "answer": ("maskinfer answer of a labeller", Answer),
    "card_notes": ("maskinfer notes of a model card", Notes),
    "classifier_recipe": ("maskinfer recipe of a classifier", Recipe),
    "detector_recipe": ("maskinfer recipe of a detector", DetectorRecipe),
    "frame_result": ("maskinfer frame result", FrameRecord),
    "model_description": ("maskinfer description of a foreign model", ModelDescription),
    "pool_picture": ("maskinfer collected picture", PoolPicture),
    "profile": ("maskinfer profile of a machine", Profile),
    "promoted": ("maskinfer promoted models", PromotedModels),
    "registry": ("maskinfer registry of models", Registry),
    "watch": ("maskinfer settings of a control room", Settings),
}


def schemas() -> dict[str, str]:
    """Return the text of each schema by its file's name."""
    found = {name: _titled(name, title, json_schema(kind)) for name, (title, kind) in _KINDS.items()}
    detector = _with_constants(json_schema(DetectorRecipe), DetectorRecipe.__name__, task=TASK)
    found["detector_recipe"] = _titled("detector_recipe", _KINDS["detector_recipe"][0], detector)
    found["contract"] = _contract()
    found["event"] = _event()
    texts = {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in found.items()}
    return {f"{name}.schema.json": text for name, text in sorted(texts.items())}


def _titled(name: str, title: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its name; the type that it describes stands at the top."""
    kind = schema.get("$ref", "").rpartition("/")[2]
    parts = {key: part for key, part in schema["$defs"].items() if key != kind}
    whole = schema["$defs"][kind] if kind else {key: part for key, part in schema.items() if key != "$defs"}
    head = {"$schema": _DIALECT, "$id": f"{_ADDRESS}/{name}.schema.json", "title": title}
    whole = {key: part for key, part in whole.items() if key != "title"}
    return {**head, **whole, **({"$defs": parts} if parts else {})}


def _with_constants(schema: dict[str, Any], name: str, **constants: object) -> dict[str, Any]:
    """Return a schema whose type has fields of one value each besides its own."""
    definition = schema["$defs"][name]
    fixed = {key: {"const": value} for key, value in constants.items()}
    changed = {
        **definition,
        "properties": {**fixed, **definition["properties"]},
        "required": [*constants, *definition["required"]],
    }
    return {**schema, "$defs": {**schema["$defs"], name: changed}}


def _contract() -> dict[str, Any]:
    """Return the schema of both contracts, told apart by their task."""
    parts: dict[str, Any] = {}
    for task, kind in (("classifier", ClassifierContract), ("detector", DetectorContract)):
        whole = _with_constants(json_schema(kind), kind.__name__, contract_version=CONTRACT_VERSION, task=task)
        parts |= whole["$defs"]
    about = "What a model file says of itself: JSON under the key maskinfer.contract of its ONNX metadata."
    either = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in (ClassifierContract, DetectorContract)]
    return _titled("contract", "maskinfer contract", {"description": about, "oneOf": either, "$defs": parts})


def _event() -> dict[str, Any]:
    """Return the schema of both kinds of events: of persons, and of cameras."""
    kinds = (EventRecord, CameraRecord)
    parts = {name: part for kind in kinds for name, part in json_schema(kind)["$defs"].items()}
    about = "One line of --events, or one post to --webhook."
    either = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]
    return _titled("event", "maskinfer event", {"description": about, "oneOf": either, "$defs": parts})


def main() -> None:
    """Write the files."""
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
