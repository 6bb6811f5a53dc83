"""What an audit looks at: every labelled picture of training folders, crops and scenes alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import LABELS
from maskinfer.training.data.samples import read_samples
from maskinfer.training.data.scenes import SCENES_FILE, read_scenes


@dataclass(frozen=True, slots=True)
class Item:
    """A picture and what is said about it.

    Attributes:
        path: of the picture.
        name: its path below the audited folder, with forward slashes; as it is when it lies elsewhere, or when several
            folders are audited.
        set: name of the data set that it is from.
        labels: of its annotated faces; one for a crop, one for all faces of a scene without boxes.
    """

    path: Path
    name: str
    set: str
    labels: tuple[str, ...]

    @property
    def label(self) -> str:
        """The labels that occur, as one word."""
        return "+".join(sorted(set(self.labels))) or "no face"

    def contradicts(self, other: Item) -> bool:
        """Tell whether the two have no label in common; a scene agrees with each of its faces."""
        return bool(self.labels and other.labels) and set(self.labels).isdisjoint(other.labels)


class _AnyLabel(tuple[str, ...]):
    """Passes for a choice of labels but leaves nothing out: a misspelt label is what an audit should show."""

    __slots__ = ()

    def __contains__(self, label: object) -> bool:
        return True


def read_items(folders: Sequence[Path], sets: Collection[str] = ()) -> list[Item]:
    """Return the labelled pictures of folders, each once under each of its labels, in a fixed order.

    Args:
        folders: as ``samples`` and ``scenes`` describe them.
        sets: names of the data sets to keep; all when empty.

    Raises:
        SourceNotFoundError, SourceError: the folder does not exist, holds no pictures, or a list cannot be read.
        RequestError: a set does not occur.
    """
    # A picture that is listed under two labels stays twice, and is then found as a contradiction.
    below = folders[0] if len(folders) == 1 else None
    every = (item for folder in folders for item in _read_all(folder, below))
    items = {(item.name, item.labels): item for item in every}.values()
    known = {item.set for item in items}
    missing = sorted(set(sets) - known)
    if missing:
        named = ", ".join(map(str, folders))
        raise RequestError(f"{named} has no set {missing[0]!r}: choose from {', '.join(sorted(known))}")
    return [item for item in items if not sets or item.set in sets]


def _read_all(folder: Path, below: Path | None) -> Iterator[Item]:
    for sample in read_samples([folder], _AnyLabel(LABELS)):
        yield Item(sample.path, _name(sample.path, below), sample.set, (sample.label,))
    if (folder / SCENES_FILE).is_file():
        for scene in read_scenes(folder):
            yield Item(scene.path, _name(scene.path, below), scene.set, scene.labels)


def _name(path: Path, below: Path | None) -> str:
    return (path.relative_to(below) if below is not None and path.is_relative_to(below) else path).as_posix()
