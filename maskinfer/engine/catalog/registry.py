"""Models that a user's own registry names: a JSON file at the path that ``MASKINFER_REGISTRY`` gives.

``schemas/registry.schema.json`` describes it. The files are fetched into a folder of the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from maskinfer.engine.errors import RequestError
from maskinfer.engine.schema import Line, Sha256, from_plain, parse_json

REGISTRY_VARIABLE = "MASKINFER_REGISTRY"
FileName = Annotated[
    str,
    Meta(pattern=r"^(?!\.\.?$)[^/\\\x00-\x1f\x7f]{1,200}(?!\n)$", title="a file's name without a folder"),
]
Address = Annotated[
    str, Meta(pattern=r"^https?://[^\s]+(?!\n)$", title="an address that begins with http:// or https://")
]


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

    task: Literal["classifier", "detector"]
    file: FileName
    sha256: Sha256
    urls: Annotated[tuple[Address, ...], Meta(min_length=1)]
    licence: Line
    research_only: bool = False
    about: Line = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """A JSON file that the environment variable MASKINFER_REGISTRY names: models that can be fetched.

    Attributes:
        models: by the names that the commands take.
    """

    models: Mapping[Line, RegisteredModel]


def registered() -> Mapping[str, RegisteredModel]:
    """Return the models of the user's registry by name; none when there is no registry.

    Raises:
        RequestError: it cannot be read, or is not well formed.
    """
    path = os.environ.get(REGISTRY_VARIABLE)
    if not path:
        return {}
    try:
        return from_plain(parse_json(Path(path).read_text(encoding="utf-8")), Registry).models
    except (OSError, ValueError) as error:
        raise RequestError(f"{REGISTRY_VARIABLE}={path} is no registry of models: {error}") from error
