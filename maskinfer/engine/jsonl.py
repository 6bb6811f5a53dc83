"""Results as JSON Lines, one frame or image a line; see ``schemas/frame_result.schema.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maskinfer.engine.atomic import whole_file
from maskinfer.engine.errors import OutputError
from maskinfer.engine.results import FrameResult

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
            file = Path(target).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - entered below
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error
        with file:
            yield _writer(file.write, target)
    else:
        with whole_file(Path(target)) as partial, partial.open("w", encoding="utf-8") as file:
            yield _writer(file.write, target)


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
