"""The models that have names: which there are, fetching those that are not here, and whether their bytes are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maskinfer.engine.catalog.insightface import (
    INSIGHTFACE_PACKS,
    INSIGHTFACE_PREFIX,
    insightface_file,
    pull_insightface,
)
from maskinfer.engine.catalog.promoted import PromotedName, promoted, promoted_file
from maskinfer.engine.catalog.registry import registered
from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.errors import ModelError, ModelNotFoundError, RequestError
from maskinfer.engine.files.cache import cache_folder
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.files.download import fetch
from maskinfer.engine.files.inside import inside
from maskinfer.engine.flow.progress import SILENT, Progress

INSIGHTFACE_LICENCE = "insightface's own models are for non-commercial research only"


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that has a name.

    Attributes:
        name: by which the commands know it.
        task: ``detector`` or ``classifier``.
        origin: ``shipped``, ``registry``, ``promoted`` or ``insightface``.
        file: where it lies, or will lie.
        sha256: that its bytes must have; empty where nobody says it.
        licence: of the weights; empty for the shipped ones, which say it themselves.
        research_only: it is for non-commercial research only.
        about: one line for the reader.
    """

    name: str
    task: str
    origin: str
    file: Path
    sha256: str
    licence: str
    research_only: bool
    about: str

    @property
    def is_installed(self) -> bool:
        """Whether the file is on this machine."""
        return self.file.is_file()


def entries() -> list[Entry]:
    """Return all models that have names: shipped, of the user's registry, promoted, and insightface's packs.

    Raises:
        RequestError: the user's registry cannot be read.
    """
    shipped = [
        Entry(name, model.task, "shipped", MODELS_DIR / model.file, model.sha256, "", False, model.about)
        for name, model in SHIPPED.items()
    ]
    own = [
        Entry(
            name, model.task, "registry", inside(cache_folder(), model.file), model.sha256, model.licence,
            model.research_only, model.about,
        )
        for name, model in registered().items()
        if name not in SHIPPED
    ]  # fmt: skip
    ours = [
        Entry(name, one.now.task, "promoted", promoted_file(name), one.now.sha256, "", False, _about(one))
        for name, one in promoted().items()
        if name not in SHIPPED
    ]
    packs = [
        Entry(
            INSIGHTFACE_PREFIX + pack, "detector", "insightface", insightface_file(pack), "", INSIGHTFACE_LICENCE,
            True, f"SCRFD of insightface's pack {pack}",
        )
        for pack in INSIGHTFACE_PACKS
    ]  # fmt: skip
    return [*shipped, *own, *ours, *packs]


def _about(one: PromotedName) -> str:
    parent = one.now.lineage.get("parent")
    said = f"promoted {one.now.promoted[:10]}" + (f", tuned from {parent}" if isinstance(parent, str) else "")
    return said + (f"; {one.current} before it" if one.current else "")


def find_entry(name: str) -> Entry:
    """Return a model by its name.

    Raises:
        ModelNotFoundError: none has that name.
    """
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        raise ModelNotFoundError(f"no model {name!r}: choose {', '.join(known)}")
    return known[name]


def pull(
    name: str,
    *,
    offline: bool = False,
    accept: Callable[[Entry], bool] | None = None,
    progress: Progress = SILENT,
) -> Entry:
    """Bring a model onto this machine, if it is not here.

    Args:
        name: of the model.
        offline: fetch nothing.
        accept: asked before a research-only model is fetched; shows its licence. None refuses it.
        progress: told how many bytes there are and have been fetched.

    Raises:
        ModelNotFoundError: none has that name, or it is not here and nothing may be fetched.
        RequestError: the licence was not accepted. DownloadError: it could not be fetched.
        MissingExtraError: a pack of insightface is wanted without insightface.
        ModelError: the file that is here is another one.
    """
    entry = find_entry(name)
    if entry.is_installed:
        return _checked(entry)
    if entry.origin == "promoted":
        raise ModelNotFoundError(f"the file of {name} is not there any more ({entry.file}): promote it again")
    if offline:
        raise ModelNotFoundError(f"{name} is not on this machine, and nothing is fetched offline")
    if entry.research_only and not (accept is not None and accept(entry)):
        raise RequestError(f"{name} was not fetched: its licence has to be accepted ({entry.licence})")
    if entry.origin == "insightface":
        pull_insightface(name.removeprefix(INSIGHTFACE_PREFIX))
    else:
        fetch(registered()[name].urls, entry.file, entry.sha256, progress=progress)
    return entry


def _checked(entry: Entry) -> Entry:
    if not checksum_matches(entry):
        raise ModelError(f"{entry.file} is not the file that {entry.name} names (SHA-256): remove it and pull it again")
    return entry


def checksum_matches(entry: Entry) -> bool:
    """Tell whether the file that is here has the bytes that it must have; True where nobody says which."""
    return not entry.sha256 or sha256_of(entry.file) == entry.sha256
