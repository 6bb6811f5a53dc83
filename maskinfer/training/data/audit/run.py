"""An audit of training data: copies, near-duplicates, twins under other labels, and what of them leaks into a test.

Two pictures are compared by their local features: one is laid onto the other as these say, and where the two differ
decides what they are. ``docs/guides/audit-data.md`` describes the method and how right it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.training.data.audit.candidates import Candidate, find_candidates
from maskinfer.training.data.audit.compare import KINDS, Kind, compare
from maskinfer.training.data.audit.fingerprints import Print, in_threads, take_print
from maskinfer.training.data.audit.items import Item, read_items
from maskinfer.training.data.audit.leaks import Leaks, Split, count_leaks, folder_split, random_split, read_split
from maskinfer.training.data.groups import Indices, group_ids

TINY_PX = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """Two pictures that belong together.

    Attributes:
        kind: ``identical`` for equal bytes; else see ``audit_compare.Match``.
        a: index of the first in the audit's items. Of identical files, only the first is compared with others.
        b: index of the second, larger than ``a``.
        mirrored: one is the mirror image of the other.
        alike: share of the structure that is in both alike, 0 to 1.
        contradiction: the same picture carries different labels; never so for a twin, whose labels should differ.
    """

    kind: Kind
    a: int
    b: int
    mirrored: bool
    alike: float
    contradiction: bool


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        folders: that were audited.
        items: the pictures, N.
        unreadable: index of each picture that cannot be read, and why.
        tiny: indices of pictures whose shorter side is under ``TINY_PX``.
        findings: pairs, by kind and then by index.
        groups: int64 (N,), equal for pictures that findings unite; those belong on one side of a split.
        split: the split that was looked at, if any.
        leaks: what leaks across it.
    """

    folders: tuple[Path, ...]
    items: tuple[Item, ...]
    unreadable: Mapping[int, str]
    tiny: tuple[int, ...]
    findings: tuple[Finding, ...]
    groups: Indices
    split: Split | None = None
    leaks: Leaks | None = None

    def pairs(self, *kinds: Kind) -> NDArray[np.int64]:
        """Return the pairs of findings of these kinds, or of all, int64 (M, 2)."""
        found = [(f.a, f.b) for f in self.findings if f.kind in (kinds or KINDS)]
        return np.array(found, np.int64).reshape(-1, 2)

    def copies(self) -> Indices:
        """Return int64 (N,), equal for pictures that are byte-identical."""
        return group_ids(len(self.items), self.pairs("identical"))


def audit_folders(
    folders: Sequence[Path],
    sets: Collection[str] = (),
    *,
    tests: Sequence[Path] = (),
    split_file: Path | None = None,
    test_share: float | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Audit:
    """Look for what is wrong with folders of labelled pictures.

    A picture takes about 70 kB of memory. Every picture is compared with every other, but by matrix products.

    Args:
        folders: as ``samples`` and ``scenes`` describe them.
        sets: names of the data sets to look at; all when empty.
        tests: folders of pictures to test on, which are looked at too: tell what of them training on the others has ...
        split_file: ... or what leaks across this split, see ``leaks.read_split`` ...
        test_share: ... or across a random one that keeps out this share, over 0 and under 1.
        seed: of the random split.
        progress: told of two stages, in which pictures are read and pairs of them are compared closely.

    Raises:
        SourceNotFoundError, SourceError: the folder, a list in it or the split cannot be read; pictures that cannot
            be read are among the findings instead.
        RequestError: a set does not occur, or the split does not fit the pictures.
    """
    if bool(tests) + (split_file is not None) + (test_share is not None) > 1:
        raise RequestError("several splits were asked for (a file, a random one, folders to test on): choose one")
    every = (*folders, *tests)
    items = read_items(every, sets)
    split = _split(items, every, tests, split_file, test_share, seed)
    progress.describe("pictures")
    prints, unreadable = _take_prints(items, progress)
    progress.describe("pairs")
    findings = _find_copies(items, prints) + _find_related(items, prints, progress)
    tiny = tuple(i for i, taken in prints.items() if min(taken.size_wh) < TINY_PX)
    groups = group_ids(len(items), [(f.a, f.b) for f in findings])
    audit = Audit(every, tuple(items), unreadable, tiny, tuple(findings), groups, split)
    if split is None:
        return audit
    pairs = {kind: audit.pairs(kind) for kind in KINDS}
    return replace(audit, leaks=count_leaks(split, pairs, audit.copies(), groups))


def _split(
    items: Sequence[Item],
    folders: Sequence[Path],
    tests: Sequence[Path],
    split_file: Path | None,
    test_share: float | None,
    seed: int,
) -> Split | None:
    if tests:
        return folder_split(items, tests)
    if split_file is not None:
        return read_split(split_file, items, folders)
    return None if test_share is None else random_split(items, test_share, seed)


def _take_prints(items: Sequence[Item], progress: Progress) -> tuple[dict[int, Print], dict[int, str]]:
    prints: dict[int, Print] = {}
    unreadable: dict[int, str] = {}
    taken_prints = in_threads(take_print, [item.path for item in items])
    for i, taken in enumerate(counted(taken_prints, len(items), progress)):
        if isinstance(taken, Print):
            prints[i] = taken
        else:
            unreadable[i] = str(taken)
    return prints, unreadable


def _firsts(prints: Mapping[int, Print]) -> dict[str, int]:
    """Return the first picture of each content."""
    firsts: dict[str, int] = {}
    for i, taken in prints.items():
        firsts.setdefault(taken.sha256, i)
    return firsts


def _find_copies(items: Sequence[Item], prints: Mapping[int, Print]) -> list[Finding]:
    firsts = _firsts(prints)
    pairs = [(firsts[taken.sha256], i) for i, taken in prints.items()]
    return [Finding("identical", a, b, False, 1.0, items[a].contradicts(items[b])) for a, b in pairs if a != b]


def _find_related(items: Sequence[Item], prints: Mapping[int, Print], progress: Progress) -> list[Finding]:
    numbers = sorted(_firsts(prints).values())
    candidates = find_candidates([prints[i] for i in numbers])

    def look(candidate: Candidate) -> Finding | None:
        a, b = numbers[candidate.a], numbers[candidate.b]
        differ = items[a].contradicts(items[b])
        match = compare(prints[a], prints[b], candidate, labels_differ=differ)
        if match is None:
            return None
        return Finding(match.kind, a, b, candidate.mirrored, match.alike, differ and match.kind != "twin")

    best: dict[tuple[int, int], Finding] = {}
    for finding in counted(in_threads(look, candidates), len(candidates), progress):
        # A symmetric face matches its mirror image too, but not as well.
        if finding and ((pair := (finding.a, finding.b)) not in best or finding.alike > best[pair].alike):
            best[pair] = finding
    return sorted(best.values(), key=lambda finding: (KINDS.index(finding.kind), finding.a, finding.b))
