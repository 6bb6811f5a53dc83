"""Tables from results that are there already as JSON Lines: no model runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import numpy as np

from maskinfer.engine.errors import SourceError
from maskinfer.engine.files.jsonl import read_stamped
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sinks.events import EventOptions
from maskinfer.engine.sinks.table import AddFrame
from maskinfer.engine.tables.write import ParquetTables

_NO_PICTURE = Picture(np.zeros((1, 1, 3), np.uint8))
_SUFFIX = ".jsonl"


def convert_results(
    files: Sequence[tuple[Path, Path]], folder: Path, events: EventOptions | None = None, progress: Progress = SILENT
) -> tuple[int, list[str]]:
    """Write the tables of recorded results.

    Args:
        files: JSON Lines of ``video`` or ``stream``, and what each is called below the folder of the tables.
        folder: of the tables.
        events: when a label counts for a visit.
        progress: told how many files there are and have been read.

    Returns:
        How many videos and other sources there are now in the tables, and a line for each file that cannot be read.

    Raises:
        OutputError: a table cannot be written.
    """
    progress.set_total(len(files))
    count, problems = 0, []
    for file, name in files:
        try:
            count += _convert(file, name, ParquetTables(folder), events or EventOptions())
        except SourceError as error:
            problems.append(str(error))
        progress.advance()
    return count, problems


def _convert(file: Path, name: Path, tables: ParquetTables, events: EventOptions) -> int:
    video = name.with_name(name.name.removesuffix(_SUFFIX))
    with ExitStack() as stack:
        adds: dict[str, AddFrame] = {}
        for result, at in read_stamped(file):
            add = adds.get(result.source)
            if add is None:
                # A watch of several sources writes them into one file.
                own = video if not adds else video.with_name(f"{video.name}-{len(adds) + 1}")
                began = None if at is None else at - timedelta(seconds=result.time_s)
                add = stack.enter_context(ParquetTables(tables.folder, own, began).open(events))
                adds[result.source] = add
            add(_NO_PICTURE, result)
        return len(adds)
