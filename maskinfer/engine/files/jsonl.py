"""Results as JSON Lines, one frame or image a line; see ``schemas/frame_result.schema.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END, FileIO
from pathlib import Path

from maskinfer.engine.errors import OutputError, SourceError, SourceNotFoundError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.records import FrameRecord
from maskinfer.engine.results import FrameResult, of_record
from maskinfer.engine.schema import from_json


def read_results(file: str | Path) -> Iterator[FrameResult]:
    """Yield the results in a JSON Lines file, in order.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: a line is no result; the message says which.
    """
    try:
        with Path(file).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield of_record(from_json(line, FrameRecord))
                except ValueError as error:
                    raise SourceError(f"line {number} of {file} is no result of maskinfer: {error}") from error
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no file {file}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is no JSON Lines: {error}") from error


STDOUT = "-"
Write = Callable[[FrameResult], None]


def to_line(result: FrameResult) -> str:
    """Return a result as one line of JSON, without the line's end."""
    return json.dumps(result.to_dict(), ensure_ascii=False, separators=(",", ":"))


@contextmanager
def open_jsonl(target: str | None, *, follow: bool = False) -> Iterator[Write]:
    """Open a place for results; gives the function that writes one.

    Args:
        target: a file's path, ``-`` for standard output, None for nowhere.
        follow: append, a line at once, for those who read along; otherwise the file appears when it is whole.

    Raises:
        OutputError: it cannot be written.
    """
    if target is None:
        yield lambda result: None
        return
    with open_lines(target, follow=follow) as write:
        yield lambda result: write(to_line(result))


@contextmanager
def open_lines(target: str, *, follow: bool) -> Iterator[Callable[[str], None]]:
    """Open a place for lines of text; gives the function that writes one. See ``open_jsonl``."""
    if target == STDOUT:
        yield _writer(sys.stdout.write, STDOUT, flush=sys.stdout.flush)
    elif follow:
        try:
            _end_half_line(Path(target))
            # Unbuffered, so that nothing is left over that a full disk does not take.
            appended = Path(target).open("ab", buffering=0)  # noqa: SIM115 - entered below
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error
        with appended:
            yield _writer(lambda text: _append(appended, text.encode()), target)
    else:
        with atomic_write(Path(target)) as partial, partial.open("w", encoding="utf-8") as file:
            yield _writer(file.write, target)


def _append(file: FileIO, line: bytes) -> int:
    """Write a whole line, or nothing of it."""
    written = 0
    try:
        while written < len(line):
            written += file.write(line[written:]) or 0
    except OSError:
        if written:
            with suppress(OSError):  # a pipe
                file.truncate(file.tell() - written)
        raise
    return written


def _end_half_line(path: Path) -> None:
    # A power failure may have cut the last line; it is not to degrade the next.
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("r+b") as file:
        file.seek(-1, SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _writer(write: Callable[[str], int], target: str, flush: Callable[[], None] | None = None) -> Callable[[str], None]:
    def write_line(line: str) -> None:
        try:
            write(line + "\n")
            if flush is not None:
                flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error

    return write_line
