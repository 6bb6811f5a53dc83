"""What an audit shows: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.training.data.audit.compare import KINDS
from maskinfer.training.data.audit.run import Audit, Finding
from maskinfer.training.data.audit.sheet import require_png


def balance(audit: Audit) -> dict[str, Counter[str]]:
    """Count the labelled faces of each data set."""
    faces: dict[str, Counter[str]] = {}
    for item in audit.items:
        faces.setdefault(item.set, Counter()).update(item.labels)
    return faces


def to_dict(audit: Audit) -> dict[str, object]:
    """Return all that an audit found as a JSON-ready record; pictures go by their paths below the folder."""
    names = [item.name for item in audit.items]
    members: dict[int, list[str]] = {}
    for name, group in zip(names, audit.groups.tolist(), strict=True):
        members.setdefault(group, []).append(name)
    record: dict[str, object] = {
        "folders": [str(folder) for folder in audit.folders],
        "pictures": len(names),
        "faces": {name: dict(counts) for name, counts in sorted(balance(audit).items())},
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
    with atomic_write(file) as partial:
        partial.write_text(json.dumps(to_dict(audit), indent=1) + "\n", encoding="utf-8")


def check_outputs(json_file: Path | None, sheet: Path | None) -> None:
    """Raise what ``write_json`` and ``sheet.write_sheet`` would: an audit takes minutes, so ask before it.

    Raises:
        RequestError: the sheet's name does not end in ``.png``.
        OutputError: a file cannot be written.
        ImportError: there is no matplotlib to draw a sheet with.
    """
    if sheet is not None:
        require_png(sheet)
        import matplotlib.figure  # noqa: F401
    for file in (json_file, sheet):
        if file is not None:
            check_writable(file)
