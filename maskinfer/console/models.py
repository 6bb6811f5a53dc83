"""Tables of models, and their cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.markdown import Markdown
from rich.table import Table

if TYPE_CHECKING:
    from maskinfer.engine.catalog.store import Entry
from maskinfer.console.progress import stdout_console


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


def show_markdown(text: str) -> None:
    """Print Markdown, laid out on a terminal and as it is in a pipe."""
    console = stdout_console()
    console.print(Markdown(text)) if console.is_terminal else console.file.write(text)
