"""Models that were promoted on this machine: each name stands for a file now, and remembers those before it.

They lie in ``maskinfer/promoted`` where this system keeps users' data, or where ``MASKINFER_PROMOTED`` says: the files,
and ``promoted.json`` with what each came from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path

from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.engine.errors import ModelError, ModelNotFoundError, OutputError, RequestError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.files.inside import inside
from maskinfer.engine.schema import Line, Sha256, from_plain, parse_json

FOLDER_VARIABLE = "MASKINFER_PROMOTED"
_LIST = "promoted.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Promotion:
    """A file that stands, or stood, for a name.

    Attributes:
        file: its name in the folder of promoted models.
        sha256: of its bytes.
        task: ``classifier`` or ``detector``.
        promoted: when, as ISO 8601 in UTC.
        source: path that it was promoted from.
        lineage: what it came from, as its training wrote it: parent, recipe, data; empty if unknown.
        comparison: what ``maskinfer compare --json`` said of it; empty if it was not compared.
    """

    file: Line
    sha256: Sha256
    task: Literal["classifier", "detector"]
    promoted: Line
    source: str
    lineage: dict[str, Any] = field(default_factory=dict)
    comparison: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromotedName:
    """A name and the files that it has stood for.

    Attributes:
        history: in the order of their promotion.
        current: index of the one that it stands for now; a rollback goes one back.
    """

    history: tuple[Promotion, ...]
    current: int

    @property
    def now(self) -> Promotion:
        """What it stands for now."""
        return self.history[self.current]


@dataclass(frozen=True, slots=True)
class PromotedModels:
    """The file ``promoted.json``: which file each promoted name stands for, and stood for before.

    Attributes:
        models: by their names.
    """

    models: Mapping[str, PromotedName]


def promoted_folder() -> Path:
    """Return the folder of promoted models."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else user_data_path("maskinfer", appauthor=False) / "promoted"


def promoted() -> Mapping[str, PromotedName]:
    """Return the promoted models by name; none when nothing was promoted.

    Raises:
        RequestError: the list cannot be read.
    """
    path = promoted_folder() / _LIST
    try:
        names = from_plain(parse_json(path.read_text(encoding="utf-8")), PromotedModels).models
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} is no list of promoted models: {error}") from error
    wrong = next((name for name, one in names.items() if not 0 <= one.current < len(one.history)), None)
    if wrong is not None:
        raise RequestError(f"{path} is no list of promoted models: {wrong} stands for none of its files")
    return names


def promoted_file(name: str) -> Path:
    """Return the file that a promoted name stands for."""
    return inside(promoted_folder(), promoted()[name].now.file)


def promote(
    file: Path,
    name: str,
    task: Literal["classifier", "detector"],
    *,
    lineage: Mapping[str, Any] | None = None,
    comparison: Mapping[str, Any] | None = None,
) -> Promotion:
    """Let a name stand for a model file, which is copied; what it stood for stays, for ``rollback``.

    Args:
        file: the ONNX file.
        name: letters, digits, ``-`` and ``_``; none of a shipped model.
        task: of the model.
        lineage: what it came from.
        comparison: what was measured of it.

    Raises:
        RequestError: the name cannot be given, or stands for models of another task.
        OutputError: the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise RequestError(f"{name!r} cannot be a model's name: expected letters, digits, - and _, at most 40")
    if name in SHIPPED or name == "auto":
        raise RequestError(f"{name} is the name of a shipped model: choose another")
    every = dict(promoted())
    before = every.get(name, PromotedName((), -1))
    if before.history and before.now.task != task:
        raise RequestError(f"{name} stands for a {before.now.task}, and {file} is a {task}: choose another name")
    sha256 = sha256_of(file)
    promotion = Promotion(
        f"{name}-{sha256[:12]}.onnx",
        sha256,
        task,
        datetime.now(UTC).isoformat(timespec="seconds"),
        str(file.resolve()),
        dict(lineage or {}),
        dict(comparison or {}),
    )
    folder = promoted_folder()
    _copy(file, folder, promotion.file)
    # What was rolled back from is not gone back to by a later rollback.
    history = (*before.history[: before.current + 1], promotion)
    _write(folder, every | {name: PromotedName(history, len(history) - 1)})
    return promotion


def rollback(name: str) -> Promotion:
    """Let a name stand for what it stood for before.

    Raises:
        ModelNotFoundError: there is no such name. RequestError: it stood for nothing before.
        ModelError: the file from before is not there any more, or has other bytes.
    """
    every = dict(promoted())
    if name not in every:
        known = ", ".join(sorted(every)) or "none was promoted"
        raise ModelNotFoundError(f"no promoted model {name!r}: {known}")
    one = every[name]
    if one.current == 0:
        raise RequestError(f"{name} has stood for no other model before: there is nothing to go back to")
    before = one.history[one.current - 1]
    file = inside(promoted_folder(), before.file)
    if not file.is_file() or sha256_of(file) != before.sha256:
        raise ModelError(f"{file} is not the model that {name} stood for (SHA-256): promote another instead")
    _write(promoted_folder(), every | {name: replace(one, current=one.current - 1)})
    return before


def _copy(file: Path, folder: Path, name: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(inside(folder, name)) as partial:
            shutil.copyfile(file, partial)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write into {folder}: {error.strerror}") from error


def _write(folder: Path, names: Mapping[str, PromotedName]) -> None:
    content = {"models": {name: asdict(one) for name, one in names.items()}}
    with atomic_write(folder / _LIST) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
