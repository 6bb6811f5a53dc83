"""The visits of a report as a CSV table, one row a visit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from maskinfer.control.store.questions import StoredVisit, VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.sinks.table import csv_row

COLUMNS = (
    "id", "camera", "first_at", "last_at", "seconds", "label", "bare", "zones", "violations", "in", "out", "ended",
)  # fmt: skip
_PAGE = 1000


def visit_rows(store: Store, where: VisitQuery) -> Iterator[str]:
    """Yield the lines of the table, without their ends: the header, then all visits that are meant, oldest first.

    Times have their offset, several zones are divided by ``; ``, ``violations`` is how many there were, and ``in`` and
    ``out`` how often lines were passed.

    Raises:
        SourceError: the store cannot be read.
    """
    yield csv_row(COLUMNS)
    before: str | None = None
    while page := store.visits(replace(where, newest_first=False, limit=_PAGE, before=before)):
        yield from map(_row, page)
        before = page[-1].cursor


def _row(stored: StoredVisit) -> str:
    visit = stored.visit
    ways = [passage.direction for passage in visit.passages]
    return csv_row(
        (
            *(visit.id, visit.camera, visit.first_at.isoformat(), visit.last_at.isoformat()),
            round((visit.last_at - visit.first_at).total_seconds(), 3),
            *(visit.label, visit.bare or "", "; ".join(visit.zones), len(visit.violations)),
            *(ways.count("in"), ways.count("out"), visit.ended or ""),
        )
    )
