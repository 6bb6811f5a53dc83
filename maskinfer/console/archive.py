"""Answers of the tables of an archive, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from maskinfer.console.progress import stdout_console
from maskinfer.control.report import words
from maskinfer.engine.errors import printable
from maskinfer.engine.results import UNCERTAIN

if TYPE_CHECKING:
    import pyarrow as pa

    from maskinfer.control.archive.count import Archive, By, PeopleRow

_MOST_ROWS = 60


def show_answer(answer: pa.Table) -> None:
    """Print the answer to a query as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numeric = {"int", "uint", "float", "double", "half", "decimal"}
    for name, kind in zip(answer.column_names, answer.schema.types, strict=True):
        is_number = any(str(kind).startswith(one) for one in numeric)
        table.add_column(printable(name), justify="right" if is_number else "left")
    for row in answer.slice(0, _MOST_ROWS).to_pylist():
        table.add_row(*(_cell(value) for value in row.values()))
    out = stdout_console()
    out.print(table)
    if answer.num_rows > _MOST_ROWS:
        out.print(f"{answer.num_rows - _MOST_ROWS:,} more rows; -o FILE has them all", markup=False)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else printable(str(value))


def show_people(archive: Archive, total: PeopleRow, by: Sequence[By], rows: Sequence[PeopleRow]) -> None:
    """Print who was there in an archive: in all, and by what was asked for."""
    out = stdout_console()

    def say(line: str = "") -> None:
        out.print(printable(line), markup=False, soft_wrap=True)

    say(
        f"{archive.videos:,} videos, {words.length_words(archive.seconds)}, "
        f"{archive.faces:,} faces in {archive.frames:,} frames"
    )
    say()
    for line in _summary(total):
        say(line)
    if not by:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in by:
        table.add_column(name, no_wrap=True)
    labels = [*(share.label for share in total.shares), UNCERTAIN]
    for column in ("people", *map(words.label_words, labels), "share with", "violations"):
        table.add_column(column, justify="right")
    for row in rows[-_MOST_ROWS:]:
        counts = (row.total, *(row.people.get(label, 0) for label in labels))
        cells = [f"{count:,}" if count else "-" for count in counts]
        table.add_row(*map(printable, row.keys.values()), *cells, _share(row), f"{row.violations:,}" or "-")
    out.print(table)
    if len(rows) > _MOST_ROWS:
        say(f"{len(rows) - _MOST_ROWS:,} rows before that are left out here; --csv has them all")


def _summary(total: PeopleRow) -> list[str]:
    lines = [words.people_words(total.total)]
    for label in total.shares:
        share = ""
        if total.total > total.unknown:
            between = f"between {words.percent_words(label.low)} and {words.percent_words(label.high)}"
            share = f"  {words.percent_words(label.share)}, {between}"
        lines.append(f"{label.people:>8,} {words.label_words(label.label)}{share}")
    if total.unknown:
        lines.append(f"{total.unknown:>8,} {words.label_words(UNCERTAIN)}, in no share")
    return lines


def _share(row: PeopleRow) -> str:
    """Return the share of the first label, with its interval."""
    first = row.shares[0]
    if row.total == row.unknown:
        return "-"
    return f"{100 * first.share:.0f} % ({100 * first.low:.0f}-{100 * first.high:.0f})"
