"""Tables of models, and their cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from maskinfer.engine.catalog.promoted import PromotedName
    from maskinfer.engine.catalog.store import Entry
from maskinfer.console.progress import stdout_console
from maskinfer.engine.errors import printable


def show_models(entries: Sequence[Entry]) -> None:
    """Print a table of the models that have names."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "task", "on this machine", "what it is"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        here = f"{entry.file.stat().st_size / 1e6:.1f} MB, {entry.origin}" if entry.is_installed else "no"
        rights = " (non-commercial research only)" if entry.research_only else ""
        table.add_row(entry.name, entry.task, here, f"{entry.about}{rights}")
    stdout_console().print(table)


def show_history(name: PromotedName) -> None:
    """Print what a name has stood for, the newest last; an arrow points at what it stands for now."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "promoted", "SHA-256", "came from", "how it compared"):
        table.add_column(heading, overflow="fold")
    for number, one in enumerate(name.history):
        lineage = ", ".join(
            f"{key}: {value}" for key, value in one.lineage.items() if isinstance(value, str | float | int)
        )
        said = str(one.comparison.get("sentence", "not compared"))
        cells = (one.promoted, one.sha256[:12], lineage or one.source, said)
        table.add_row("->" if number == name.current else "", *(Text(printable(cell)) for cell in cells))
    stdout_console().print(table)


def show_markdown(text: str) -> None:
    """Print Markdown, laid out on a terminal and as it is in a pipe."""
    console = stdout_console()
    console.print(Markdown(text)) if console.is_terminal else console.file.write(text)
