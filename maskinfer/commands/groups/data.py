"""Data in any format for a command: what other tools' labels mean, and the door that all data go through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from maskinfer.commands.options import train_extra

MAP_OPTION = click.option(
    "--map", "names", multiple=True, metavar="FROM=TO|FILE.toml",
    help="What a label of another tool's data means, as 'No Mask=without_mask', or as 'hat=' to leave its faces out; "
         "or a TOML file of such lines. May be repeated.",
)  # fmt: skip


def as_folders(data: Sequence[Path], names: Sequence[str], labels: Sequence[str] | None = None) -> list[Path]:
    """Return what training and evaluation read in the place of data in any format, and say what was read.

    Args:
        data: as given.
        names: of ``--map``.
        labels: of the recipe; None for those of ours.

    Raises:
        RequestError, SourceNotFoundError, SourceError: a label or the data are not known.
    """
    from maskinfer.engine.results import LABELS
    from maskinfer.training.data.formats import door
    from maskinfer.training.data.formats.translate import Imported, read_label_map

    told: list[Imported] = []
    with train_extra():
        folders = door.as_folders(data, read_label_map(names), labels=labels or LABELS, told=told.append)
    if names and not told:
        raise click.UsageError("--map would do nothing: the data are maskinfer's own, or name our labels already")
    if told:
        from maskinfer.console.imported import tell_imported

        for imported in told:
            tell_imported(imported)
    return folders


def as_folder(data: Path, names: Sequence[str] = ()) -> Path:
    """Return the same for one file or folder."""
    return as_folders([data], names)[0]
