"""Models that a user's own registry names: a JSON file at the path that ``MASKINFER_REGISTRY`` gives.

``schemas/registry.schema.json`` describes it. The files are fetched into a folder of the user's cache.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import RequestError

REGISTRY_VARIABLE = "MASKINFER_REGISTRY"
_TASKS = ("classifier", "detector")
_HEX_DIGITS = 64


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model that can be fetched.

    Attributes:
        task: ``detector`` or ``classifier``.
        file: its name in ``cache_folder()``.
        sha256: of the file's bytes, in hexadecimal.
        urls: where it is; the first that works is used.
        licence: of the weights.
        research_only: it may be used for non-commercial research only; nobody fetches it without accepting that.
        about: one line for the reader.
    """

    task: str
    file: str
    sha256: str
    urls: tuple[str, ...]
    licence: str
    research_only: bool = False
    about: str = ""


def registered() -> dict[str, RegisteredModel]:
    """Return the models of the user's registry by name; none when there is no registry.

    Raises:
        RequestError: it cannot be read, or is not well formed.
    """
    path = os.environ.get(REGISTRY_VARIABLE)
    if not path:
        return {}
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
        return {str(name): _model(str(name), values) for name, values in said["models"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise RequestError(f"{REGISTRY_VARIABLE}={path} is no registry of models: {reason}") from error


def _model(name: str, values: Mapping[str, Any]) -> RegisteredModel:
    unknown = sorted(set(values) - {field.name for field in fields(RegisteredModel)})
    if unknown:
        raise ValueError(f"{name} has an unknown key {unknown[0]!r}")
    model = RegisteredModel(**{**values, "urls": tuple(values["urls"])})
    if model.task not in _TASKS:
        raise ValueError(f"{name} has task {model.task!r}, expected one of {', '.join(_TASKS)}")
    if Path(model.file).name != model.file or not model.file:
        raise ValueError(f"{name} has file {model.file!r}, expected a name without a folder")
    if len(model.sha256) != _HEX_DIGITS or set(model.sha256) - set("0123456789abcdef"):
        raise ValueError(f"{name} has sha256 {model.sha256!r}, expected {_HEX_DIGITS} hexadecimal digits in lower case")
    return model
