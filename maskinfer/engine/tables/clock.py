"""When and by which camera a recording was made, as far as its name says."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePath

# What our own recorder calls its files, in local time: door-20261125T191500.mp4
_BEGIN = re.compile(r"-(\d{8}T\d{6})(?:_\d{3,})?$")


def named_begin(name: str) -> datetime | None:
    """Return when a recording began by its name, in local time; None where the name does not say it.

    >>> named_begin("films/door-20261125T191500.mp4").strftime("%H:%M"), named_begin("clip.mp4")
    ('19:15', None)
    """
    found = _BEGIN.search(PurePath(name).stem)
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").astimezone() if found else None
    except ValueError:  # digits that are no time
        return None


def camera_of(name: PurePath) -> str:
    """Return which camera a recording is of: what its name says, else its folder, else its name.

    >>> [camera_of(PurePath(name)) for name in ("a/door-20261125T191500.mp4", "hall/1.mp4", "1.mp4")]
    ['door', 'hall', '1']
    """
    if (begin := _BEGIN.search(name.stem)) is not None:
        return name.stem[: begin.start()] or name.stem
    folder = name.parent.as_posix()
    return name.stem if folder == "." else folder
