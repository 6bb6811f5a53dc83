"""What reads JSON as a type, built once for each type, by one thread at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, TypeVar, cast

import msgspec

_T = TypeVar("_T")
_Hook = Callable[[type, Any], Any]
_BUILDING = Lock()


def json_decoder(kind: type[_T], dec_hook: _Hook | None = None) -> msgspec.json.Decoder[_T]:
    """Return what reads JSON as a type, which any number of threads may use.

    msgspec 0.22 ends the process with a segmentation fault when two threads need a type, or types with a part in
    common, for the first time: one of them meets what the other has half built. Once this has returned, the type is
    built, also for ``msgspec.convert`` and ``msgspec.json.schema``.

    Args:
        kind: that msgspec can read.
        dec_hook: makes what msgspec does not know, as that of ``msgspec.json.Decoder``.
    """
    with _BUILDING:
        return _decoder(cast("Any", kind), dec_hook)


@cache
def _decoder(kind: Any, dec_hook: _Hook | None) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=dec_hook)
