"""Tables of `data audit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.table import Table

from maskinfer.engine.results import label_order
from maskinfer.training.data.audit.compare import KINDS, Kind
from maskinfer.training.data.audit.leaks import Leaks, Split
from maskinfer.training.data.audit.run import TINY_PX, Audit
from maskinfer.training.data.audit.to_json import balance

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


def _balance_table(audit: Audit) -> Table:
    faces = balance(audit)
    found = {label for counts in faces.values() for label in counts}
    labels = label_order(found)
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
