"""A report of what happened, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table

from maskinfer.console.progress import stdout_console
from maskinfer.control.report import words
from maskinfer.control.report.report import Counted, Report
from maskinfer.engine.errors import printable
from maskinfer.engine.results import UNCERTAIN

_MOST_ROWS = 48
_MOST_SHOWN = 10
_MOST_GAPS = 10


def show_report(report: Report) -> None:
    """Print a report as tables that a person reads."""
    out = stdout_console()

    def say(line: str = "") -> None:
        out.print(printable(line), markup=False, soft_wrap=True)

    say(f"{words.period_words(report)}, {words.place_words(report)}")
    say()
    for line in _summary(report):
        say(line)
    if report.by_time:
        name = words.row_names(report)
        out.print(_table(report, report.unit, report.by_time[-_MOST_ROWS:], name))
        if len(report.by_time) > _MOST_ROWS:
            say(f"{len(report.by_time) - _MOST_ROWS} {report.unit}s before that are left out here; --csv has them all")
    if report.by_zone:
        out.print(_table(report, "zone", report.by_zone, words.zone_name))
    if len(report.by_camera) > 1:
        out.print(_table(report, "camera", report.by_camera, words.same))
    for row in report.passages:
        say(f"{words.people_words(row.passages)} passed {row.line} of {row.camera}, {row.direction}")
    for line in (*_violations(report), *_gaps(report), *_looks(report)):
        say(line)


def _summary(report: Report) -> list[str]:
    lines = [f"{words.people_words(report.people)}"]
    for label in report.labels:
        if report.people > report.unknown:
            between = f"between {words.percent_words(label.low)} and {words.percent_words(label.high)}"
            share = f"  {words.percent_words(label.share)}, {between}"
        else:
            share = ""
        lines.append(f"{label.people:>8,} {words.label_words(label.label)}{share}")
    if report.unknown:
        lines.append(f"{report.unknown:>8,} {words.label_words(UNCERTAIN)}, in no share")
    return lines


def _table(report: Report, heading: str, rows: Sequence[Counted], name: Callable[[str], str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(heading)
    labels = [*(label.label for label in report.labels), UNCERTAIN]
    for column in ("people", *map(words.label_words, labels), "against the rules"):
        table.add_column(column, justify="right")
    for row in rows:
        counts = (row.total, *(row.people.get(label, 0) for label in labels), row.violations)
        table.add_row(printable(name(row.key)), *(f"{count:,}" if count else "-" for count in counts))
    return table


def _violations(report: Report) -> list[str]:
    if not report.violations:
        return []
    shown = report.shown[:_MOST_SHOWN]
    lines = ["", f"{words.people_words(report.violations)} against the rules"]
    if report.violations > len(shown):
        lines[-1] += f", the newest {len(shown)}"
    for stored in shown:
        visit = stored.visit
        what = "; ".join(words.violation_words(visit))
        lines.append(f"  {words.time_words(report, visit.first_at)}  {visit.camera}  {what}")
    return lines


def _looks(report: Report) -> list[str]:
    lines = words.looks_words(report)
    return ["", *lines] if lines else []


def _gaps(report: Report) -> list[str]:
    lines = []
    for watch in report.watches:
        watched = f"{watch.camera} was watched for {words.length_words(watch.watched_s)}"
        lines += ["", watched + (f" of {words.length_words(watch.known_s)}" if watch.gaps else " without a gap")]
        for gap in watch.gaps[-_MOST_GAPS:]:
            begin, end = words.time_words(report, gap.from_at), words.time_words(report, gap.to_at)
            lines.append(f"  {begin} to {end}  {words.gap_words(gap)}")
        if len(watch.gaps) > _MOST_GAPS:
            lines.append(f"  and {len(watch.gaps) - _MOST_GAPS} earlier gaps, which --json has")
    return lines
