"""Tables of `quantize` and `verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from maskinfer.export.quantize.run import QuantizeSummary
    from maskinfer.export.verify.run import Verdict
from maskinfer.console.evaluation import percent
from maskinfer.console.progress import stdout_console


def show_quantization(summary: QuantizeSummary) -> None:
    """Print the old and the new model side by side, and whether the new one is kept, on standard output."""
    out = stdout_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "as it is", "new", "gain"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    old, new = (size / 1e6 for size in summary.bytes)
    table.add_row("size", f"{old:.2f} MB", f"{new:.2f} MB", f"{old / new:.2f}x")
    for speed in summary.speeds:
        gain = f"{speed.speedup.value:.2f}x ({speed.speedup.low:.2f}-{speed.speedup.high:.2f})"
        unit = f"ms/{speed.what}"
        table.add_row(f"batch {speed.batch}", f"{speed.old_ms:.3f} {unit}", f"{speed.new_ms:.3f} {unit}", gain)
    found = summary.accuracy
    points = f"{-100 * found.drop.value:+.2f} ({-100 * found.drop.high:+.2f} to {-100 * found.drop.low:+.2f})"
    table.add_row(f"{found.what}, per cent", percent(found.old), percent(found.new), points)
    if found.old_false is not None and found.new_false is not None:
        table.add_row("false positives/image", f"{found.old_false:.3f}", f"{found.new_false:.3f}")
    table.add_row("agreement", "", f"{found.agreement:.2%} of {found.new.n} faces")
    out.print(table)
    if summary.in_float:
        out.print(f"left in float: {', '.join(summary.in_float)}", markup=False)
    said = f"wrote {summary.out}" if summary.kept else f"{summary.out} is not written: {'; '.join(summary.reasons)}"
    out.print(said, markup=False, soft_wrap=True)


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print a line for each runtime, on standard output."""
    out = stdout_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("runtime", "largest difference", "same labels or faces", "ms a batch", ""):
        table.add_column(name, justify="left" if name in ("runtime", "") else "right", no_wrap=bool(name))
    for verdict in verdicts:
        if verdict.problem:
            table.add_row(verdict.runtime, "", "", "", Text(f"cannot run it: {verdict.problem}"))
            continue
        said = "agrees" if verdict.agrees else f"disagrees: over {verdict.tolerance:g}"
        figures = (f"{verdict.difference:.1e}", f"{verdict.agreement:.1%}", f"{verdict.latency_ms:.1f}")
        table.add_row(verdict.runtime, *figures, said)
    out.print(table)
