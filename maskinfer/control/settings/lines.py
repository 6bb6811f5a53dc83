"""On which line of a TOML file something stands, which its parser does not say."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

_NOTHING = object()


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Return the number of the line, from 1, on which what sets a value begins.

    Args:
        text: TOML that can be parsed.
        path: of the value, as names and indices from the top. Of one that is not there, the line of what it is missing
            in is returned.
    """
    whole = tomllib.loads(text)
    while path and _at(whole, path) is _NOTHING:
        path = path[:-1]
    if not path:
        return 1
    lines = text.split("\n")
    # Of the beginnings of the text that are whole TOML, the shortest that has the value ends with what sets it.
    below, end, before = 0, len(lines), 0
    while end - below > 1:
        middle = (below + end) // 2
        part = _longest_whole(lines, below, middle)
        if part is not None and _at(part[1], path) is not _NOTHING:
            end = part[0]
        else:
            below, before = middle, before if part is None else part[0]
    return next((i + 1 for i in range(before, end) if lines[i].strip()[:1] not in ("", "#")), end)


def _longest_whole(lines: list[str], more_than: int, at_most: int) -> tuple[int, dict[str, Any]] | None:
    for count in range(at_most, more_than, -1):
        try:
            return count, tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
    return None


def _at(data: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return data
