"""What a model file came from, and how it compared, as files beside it say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.checks import sha256_of

LINEAGE_FILE = "lineage.json"


def read_lineage(model: Path) -> dict[str, Any]:
    """Return what the training wrote of a model beside it; empty where it wrote nothing.

    Raises:
        RequestError: the file is no JSON object, or of another model.
    """
    file = model.with_name(LINEAGE_FILE)
    if not file.is_file():
        return {}
    content = _read(file)
    if content.get("sha256") != sha256_of(model):
        raise RequestError(f"{file} is of another model than {model} (SHA-256): remove it, or promote its own model")
    return content


def read_comparison(file: Path, model: Path, *, anyway: bool) -> dict[str, Any]:
    """Return what a comparison said of a model.

    Args:
        file: that ``maskinfer compare --json`` wrote.
        model: that it should be of.
        anyway: take it also if the model did not pass.

    Raises:
        RequestError: it is not of this model, or the model did not pass.
    """
    content, sha256 = _read(file), sha256_of(model)
    every = content.get("new")
    found = (
        [one for one in every if isinstance(one, dict) and one.get("sha256") == sha256]
        if isinstance(every, list)
        else []
    )
    if not found:
        raise RequestError(f"{file} holds no comparison of {model}: compare it with maskinfer compare --json {file}")
    said: dict[str, Any] = found[0]
    if not said.get("passes") and not anyway:
        worse = said.get("worse")
        where = str(worse[0]) if isinstance(worse, list) and worse else "somewhere that counts"
        raise RequestError(f"{model} did not pass ({where}): it is not promoted without --anyway")
    return {key: said.get(key) for key in ("sentence", "passes", "worse", "max_loss")} | {"old": content.get("old")}


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(f"{file} cannot be read as JSON of names and values: {error}") from error
