"""A comparison of models on a terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from maskinfer.console.progress import stdout_console
from maskinfer.engine.errors import printable
from maskinfer.training.evaluation.compare.run import AtPlace, Versus
from maskinfer.training.evaluation.compare.verdict import judge
from maskinfer.training.evaluation.intervals import Estimate


def show_comparison(found: list[Versus], max_loss: float) -> None:
    """Print, for each new model, a table a place, what else changed, and the one sentence, on standard output."""
    out = stdout_console()
    for versus in found:
        out.print(printable(f"old: {versus.old.name}; new: {versus.new.name}"), markup=False, soft_wrap=True)
        for place in versus.places:
            out.print(_table(place))
        sizes = [candidate.file.stat().st_size / 1e6 for candidate in (versus.old, versus.new)]
        speed = "" if versus.speed is None else f"; processor time a face: {versus.speed:.2f} of the old one's"
        out.print(f"size: {sizes[0]:.1f} MB, now {sizes[1]:.1f} MB{speed}")
        verdict = judge(versus, max_loss)
        for line in verdict.worse:
            out.print(printable(f"worse where it counts: {line}"), markup=False)
        out.print(printable(verdict.sentence), markup=False, soft_wrap=True)


def _table(place: AtPlace) -> Table:
    title = f"{place.place.name}: found and labelled right, per cent (95 % interval of the change, paired)"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "faces", "old", "new", "change", "won", "lost", "McNemar p"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for kind in ("all", "set", "label", "slice"):
        if place.of(kind):
            table.add_section()
        for group in place.of(kind):
            f = group.found
            shares = (f"{100 * f.old:.1f}", f"{100 * f.new:.1f}", _points(f.change))
            table.add_row(Text(printable(group.name)), str(f.faces), *shares, str(f.won), str(f.lost), f"{f.p:.3f}")
    more = place.false_positives
    said = [] if more is None else [f"false positives an image {more.value:+.3f} ({more.low:+.3f} to {more.high:+.3f})"]
    if place.old.confidence is not None and place.new.confidence is not None:
        errors = (place.old.confidence.calibration_error, place.new.confidence.calibration_error)
        said.append(f"calibration error {errors[0]:.3f}, now {errors[1]:.3f}")
    table.caption, table.caption_justify = "; ".join(said), "left"
    return table


def _points(change: Estimate) -> str:
    return f"{100 * change.value:+z.1f} ({100 * change.low:+z.1f} to {100 * change.high:+z.1f})"
