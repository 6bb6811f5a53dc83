"""Which pictures belong on one side of a split: copies, near-duplicates, twins, and what was made from what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.training.data.audit.run import audit_folders
from maskinfer.training.data.groups import Indices, group_ids
from maskinfer.training.data.samples import read_samples
from maskinfer.training.data.scenes import SCENES_FILE, read_scenes


def related_groups(
    folders: Sequence[Path],
    labels: Sequence[str],
    sources: Sequence[str],
    progress: Progress = SILENT,
) -> Indices:
    """Return int64 (N,), equal for pictures that belong on one side.

    Args:
        folders: training folders; see ``samples``. Related is what an ``audit`` of all of them finds, and what was made
            from what, as ``data synth`` records it, and scenes of one visit.
        labels: the recipe's.
        sources: N paths of pictures in the folders; the faces of one picture stay together.
        progress: told how far the audit is.

    Raises:
        SourceNotFoundError, SourceError: a folder or a list in it cannot be read.
    """
    numbers = {source: number for number, source in enumerate(dict.fromkeys(sources))}
    pairs = [*_alike(folders, progress), *_made_from(folders, labels), *_of_one_visit(folders)]
    known = [(numbers[a], numbers[b]) for a, b in pairs if a in numbers and b in numbers]
    groups = group_ids(len(numbers), known)
    return groups[[numbers[source] for source in sources]]


def _alike(folders: Sequence[Path], progress: Progress) -> Iterator[tuple[str, str]]:
    audit = audit_folders(folders, progress=progress)
    for finding in audit.findings:
        yield str(audit.items[finding.a].path), str(audit.items[finding.b].path)


def _made_from(folders: Sequence[Path], labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    for sample in read_samples(folders, labels):
        if sample.made_from is not None:
            yield str(sample.path), str(sample.made_from)


def _of_one_visit(folders: Sequence[Path]) -> Iterator[tuple[str, str]]:
    first: dict[tuple[str, str], str] = {}
    for folder in folders:
        for scene in read_scenes(folder) if (folder / SCENES_FILE).is_file() else ():
            if scene.visit:
                yield first.setdefault((scene.set, scene.visit), str(scene.path)), str(scene.path)
