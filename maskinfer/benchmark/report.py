"""The rows of a benchmark: written, read again, compared."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from maskinfer import __version__
from maskinfer.benchmark.timing import Timing
from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.runtime.cpu import available_threads, processor_name
from maskinfer.engine.runtime.providers import import_onnxruntime

_SLOWER_FROM = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one provider, with so many threads and so large a batch.

    Attributes:
        task: ``detector`` or ``classifier``.
        model: as it was named.
        precision: ``int8`` when the graph is quantised, ``fp16`` when it calculates in float16, ``float`` otherwise; a
            provider may round floats by itself.
        provider: by its short name.
        threads: of the CPU.
        batch: faces or frames a run.
        timing: of a run.
        per_second: faces or frames a second, by the median.
        load_ms: from the file to a session, in a fresh process.
        memory_mb: what a fresh process with this session needed at most for this batch and smaller ones, less what it
            had before.
        on_provider: share of the graph's nodes that the provider took, 0 to 1; the others ran on the CPU.
        reference: name of the file of the float model of the same weights; empty when none is at hand.
        agreement: with that on the CPU, or else with the model itself there: share of equal labels, or of faces that
            both find.
        accuracy: on labelled data: share of right labels, or of annotated faces that are found; None without data.
    """

    task: str
    model: str
    precision: str
    provider: str
    threads: int
    batch: int
    timing: Timing
    per_second: float
    load_ms: float
    memory_mb: float
    on_provider: float
    reference: str
    agreement: float
    accuracy: float | None = None

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What it is compared by."""
        return self.task, self.model, self.provider, self.threads, self.batch


@dataclass(frozen=True, slots=True)
class Report:
    """A whole benchmark.

    Attributes:
        machine: what it ran on.
        yardstick: a fixed work on one core, timed among the rows.
        rows: in their order.
        inactive: reason of each provider that cannot be used here, by its short name, or of ``PROVIDER with MODEL``.
    """

    machine: dict[str, str]
    yardstick: Timing
    rows: tuple[Row, ...]
    inactive: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A row beside the same row of an earlier benchmark.

    Attributes:
        row, before: now and then.
        ratio: of the medians, now over then; over 1 is slower.
        noise: of both; a change within it is none.
    """

    row: Row
    before: Row
    ratio: float
    noise: float

    @property
    def is_slower(self) -> bool:
        """Whether it got slower beyond the noise."""
        return self.ratio > 1 + max(self.noise, _SLOWER_FROM)

    @property
    def is_faster(self) -> bool:
        """Whether it got faster beyond the noise."""
        return self.ratio < 1 / (1 + max(self.noise, _SLOWER_FROM))


def this_machine() -> dict[str, str]:
    """Return what a reader has to know of the machine."""
    return {
        "maskinfer": __version__,
        "onnxruntime": str(import_onnxruntime().__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "threads": str(available_threads()),
    }


def write_json(report: Report, file: Path) -> None:
    """Write a report, from which ``read_report`` makes it again.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_write(file) as partial:
        partial.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(report: Report, file: Path) -> None:
    """Write the rows as a table.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO()
    flat = [_flat(row) for row in report.rows]
    writer = csv.DictWriter(text, list(flat[0]) if flat else [field.name for field in fields(Row)])
    writer.writeheader()
    writer.writerows(flat)
    with atomic_write(file) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8")


def _flat(row: Row) -> dict[str, Any]:
    record = asdict(row)
    return {**{name: value for name, value in record.items() if name != "timing"}, **record["timing"]}


def read_report(file: Path) -> Report:
    """Read what ``write_json`` wrote.

    Raises:
        SourceError: it cannot be read, or is no such file.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        rows = tuple(Row(**{**row, "timing": Timing(**row["timing"])}) for row in record["rows"])
        return Report(record["machine"], Timing(**record["yardstick"]), rows, record["inactive"])
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file} is no report of maskinfer benchmark --json: {error!r}") from error


def check_machine(before: Report) -> None:
    """Find out whether an earlier report is of this machine.

    Raises:
        RequestError: it is of another one.
    """
    here = this_machine()
    for what in ("processor", "threads"):
        if here[what] != before.machine.get(what):
            raise RequestError(
                f"the baseline is of another machine ({what} {before.machine.get(what)}, here {here[what]})"
            )


def compare(now: Report, before: Report) -> list[Change]:
    """Return the rows that both have, beside each other.

    Raises:
        RequestError: they have no row in common.
    """
    earlier = {row.key: row for row in before.rows}
    changes = [
        Change(row, old, row.timing.p50_ms / old.timing.p50_ms, row.timing.noise + old.timing.noise)
        for row in now.rows
        if (old := earlier.get(row.key)) is not None
    ]
    if not changes:
        raise RequestError("the baseline has no row in common with this benchmark: ask for the same models")
    return changes


def slowdown(now: Report, before: Report) -> float:
    """Return how much slower the machine itself is now, by its yardstick; 1 is as fast."""
    return now.yardstick.p50_ms / before.yardstick.p50_ms


def noisy(rows: Sequence[Row]) -> int:
    """Return how many rows are noisy."""
    return sum(row.timing.is_noisy for row in rows)
