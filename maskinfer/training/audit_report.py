"""What an audit shows: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from maskinfer.engine.atomic import whole_file
from maskinfer.engine.results import LABELS
from maskinfer.training.audit import TINY_PX, Audit, Finding
from maskinfer.training.audit_compare import KINDS, Kind
from maskinfer.training.audit_sheet import require_png
from maskinfer.training.audit_split import Leaks, Split

MEANINGS: Mapping[Kind, str] = {
    "identical": "byte-identical files",
    "near": "near-duplicates: scaled, saved anew, blurred, mirrored",
    "augmented": "augmented copies: turned, shifted, zoomed or cut",
    "twin": "twins: same photo, other label, differs in one patch",
}


def show_audit(audit: Audit) -> None:
    """Print the tables of an audit, and the pictures that cannot be read, on standard output."""
    console = Console()
    console.print(_balance_table(audit), _findings_table(audit))
    if audit.split is not None and audit.leaks is not None:
        console.print(_leaks_table(audit.split, audit.leaks))
    for reason in audit.unreadable.values():
        console.print(f"unreadable: {reason}", markup=False, soft_wrap=True)


def _balance(audit: Audit) -> dict[str, Counter[str]]:
    """Count the labelled faces of each data set."""
    faces: dict[str, Counter[str]] = {}
    for item in audit.items:
        faces.setdefault(item.set, Counter()).update(item.labels)
    return faces


def _balance_table(audit: Audit) -> Table:
    faces = _balance(audit)
    found = {label for counts in faces.values() for label in counts}
    labels = [*(label for label in LABELS if label in found), *sorted(found - set(LABELS))]
    table = Table(title=f"{', '.join(map(str, audit.folders))}: pictures, and labelled faces of each class")
    for name in ("set", "pictures", *labels):
        table.add_column(name, justify="left" if name == "set" else "right")
    pictures = Counter(item.set for item in audit.items)
    rows = {**{name: faces[name] for name in sorted(faces)}, "all": sum(faces.values(), Counter())}
    for name, counts in rows.items():
        if name == "all":
            table.add_section()
        shares = (f"{counts[label]} ({counts[label] / max(1, counts.total()):.0%})" for label in labels)
        table.add_row(name, str(pictures[name] if name != "all" else len(audit.items)), *shares)
    return table


def _findings_table(audit: Audit) -> Table:
    table = Table(title="findings")
    for name in ("what", "pairs", "pictures", "share", "labels contradict"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for kind in KINDS:
        contradictions = sum(f.contradiction for f in audit.findings if f.kind == kind)
        table.add_row(
            MEANINGS[kind],
            str(len(audit.pairs(kind))),
            *_share(len(np.unique(audit.pairs(kind))), len(audit.items)),
            str(contradictions) if kind != "twin" else "",
        )
    sizes = np.bincount(audit.groups)
    grouped = sizes[sizes > 1]
    table.add_section()
    table.add_row(f"all of these, in {len(grouped)} groups", "", *_share(int(grouped.sum()), len(audit.items)))
    table.add_row(f"tiny: shorter side under {TINY_PX} px", "", *_share(len(audit.tiny), len(audit.items)))
    table.add_row("unreadable", "", *_share(len(audit.unreadable), len(audit.items)))
    return table


def _leaks_table(split: Split, leaks: Leaks) -> Table:
    table = Table(title=f"{split.name}: of {leaks.test} pictures to test on, training has")
    for name in ("what", "pictures", "share"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for kind in KINDS:
        table.add_row(MEANINGS[kind], *_share(leaks.by_kind[kind], leaks.test))
    table.add_section()
    table.add_row("any of these, directly or through others", *_share(leaks.related, leaks.test))
    return table


def _share(count: int, of: int) -> tuple[str, str]:
    return str(count), f"{count / max(1, of):.1%}"


def to_dict(audit: Audit) -> dict[str, object]:
    """Return all that an audit found as a JSON-ready record; pictures go by their paths below the folder."""
    names = [item.name for item in audit.items]
    members: dict[int, list[str]] = {}
    for name, group in zip(names, audit.groups.tolist(), strict=True):
        members.setdefault(group, []).append(name)
    record: dict[str, object] = {
        "folders": [str(folder) for folder in audit.folders],
        "pictures": len(names),
        "faces": {name: dict(counts) for name, counts in sorted(_balance(audit).items())},
        "unreadable": {names[i]: reason for i, reason in audit.unreadable.items()},
        "tiny": [names[i] for i in audit.tiny],
        "findings": {kind: [_pair(audit, f) for f in audit.findings if f.kind == kind] for kind in KINDS},
        "groups": [group for group in members.values() if len(group) > 1],
    }
    if audit.split is not None and audit.leaks is not None:
        record["leaks"] = {
            "split": audit.split.name,
            "test": audit.leaks.test,
            "related": audit.leaks.related,
            "by_kind": dict(audit.leaks.by_kind),
        }
    return record


def _pair(audit: Audit, finding: Finding) -> dict[str, object]:
    a, b = audit.items[finding.a], audit.items[finding.b]
    return {
        "pictures": [a.name, b.name],
        "labels": [a.label, b.label],
        "mirrored": finding.mirrored,
        "alike": round(finding.alike, 4),
        "contradiction": finding.contradiction,
    }


def write_json(audit: Audit, file: Path) -> None:
    """Write what an audit found as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    with whole_file(file) as partial:
        partial.write_text(json.dumps(to_dict(audit), indent=1) + "\n", encoding="utf-8")


def check_outputs(json_file: Path | None, sheet: Path | None) -> None:
    """Raise what ``write_json`` and ``audit_sheet.write_sheet`` would: an audit takes minutes, so ask before it.

    Raises:
        RequestError: the sheet's name does not end in ``.png``.
        OutputError: a file cannot be written.
        ImportError: there is no matplotlib to draw a sheet with.
    """
    if sheet is not None:
        require_png(sheet)
        import matplotlib.figure  # noqa: F401
    for file in (json_file, sheet):
        # A block that raises leaves what was there before.
        with suppress(_WritableError):
            if file is not None:
                with whole_file(file):
                    raise _WritableError


class _WritableError(Exception):
    """A file can be written."""
