"""Results as JSON Lines, one frame or image a line; see ``schemas/frame_result.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

from maskinfer.engine.errors import OnError, OutputError, SourceError, SourceNotFoundError
from maskinfer.engine.files.atomic import IsPartial, atomic_write, never_partial
from maskinfer.engine.files.follow import FollowedLines, Health, write_to_stdout
from maskinfer.engine.files.places import STDOUT
from maskinfer.engine.records import FrameRecord
from maskinfer.engine.results import FrameResult, of_record
from maskinfer.engine.schema import from_json


def read_results(file: str | Path) -> Iterator[FrameResult]:
    """Yield the results in a JSON Lines file, in order.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: a line is no result; the message says which.
    """
    for result, _ in read_stamped(file):
        yield result


def read_stamped(file: str | Path) -> Iterator[tuple[FrameResult, datetime | None]]:
    """Yield the results in a JSON Lines file, and when each was written, as ``stream`` says; raises as above."""
    try:
        with Path(file).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = from_json(line, FrameRecord)
                    at = datetime.fromisoformat(record["at"]).astimezone() if "at" in record else None
                    yield of_record(record), at
                except ValueError as error:
                    raise SourceError(f"line {number} of {file} is not a result of maskinfer: {error}") from error
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no file {file}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is no JSON Lines: {error}") from error


Write = Callable[[FrameResult], None]


def to_line(result: FrameResult, stamp: Mapping[str, object] | None = None) -> str:
    """Return a result as one line of JSON, without the line's end; a watch stamps it with ``run`` and ``at``."""
    record = {**result.to_dict(), **(stamp or {})}
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@contextmanager
def open_jsonl(target: str | None) -> Iterator[Write]:
    """Open a place for results; gives the function that writes one.

    Args:
        target: a path of a file, which appears when it is whole; ``-`` for standard output, None for nowhere.

    Raises:
        OutputError: it cannot be written.
    """
    if target is None:
        yield lambda result: None
        return
    with open_lines(target) as write:
        yield lambda result: write(to_line(result))


@contextmanager
def open_lines(
    target: str,
    *,
    on_error: OnError | None = None,
    header: str | None = None,
    is_partial: IsPartial = never_partial,
) -> Iterator[Callable[[str], None]]:
    """Open a place for lines of text; gives the function that writes one.

    Args:
        target: a file's path, or ``-`` for standard output.
        on_error: of jobs that go on for weeks: lines are appended at once, and where one cannot be written that is
            told, and ends nothing. Otherwise the file appears when it is whole.
        header: first line of a table.
        is_partial: asked when the file is finished; see ``atomic_write``.

    Raises:
        OutputError: it cannot be written.
    """
    if target == STDOUT:
        write = _writer(write_to_stdout, "standard output")
        if header is not None:
            write(header)
        if on_error is None:
            yield write
            return
        health = Health("standard output", "line", on_error)
        yield lambda line: health.attempt(lambda: write(line))
        health.close()
    elif on_error is not None:
        with FollowedLines(target, on_error, header=header) as followed:
            yield followed.write
    else:
        with atomic_write(Path(target), is_partial=is_partial) as partial, _open_text(partial, target) as file:
            write = _writer(lambda line: file.write(line + "\n"), target)
            if header is not None:
                write(header)
            yield write


@contextmanager
def _open_text(path: Path, target: str) -> Iterator[TextIO]:
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}") from error
    try:
        yield file
    except BaseException:
        with suppress(OSError):  # what came first is told
            file.close()
        raise
    # What was held back is written only now, and may find the disk full.
    _writer(lambda _: file.close(), target)("")


def _writer(write: Callable[[str], object], target: str) -> Callable[[str], None]:
    def write_line(line: str) -> None:
        try:
            write(line)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error

    return write_line
