"""What killed processes left of videos: made playable again under their names as far as they came, or removed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.atomic import numbered, partial_name, taken_name
from maskinfer.engine.files.parts import LeftPart, left_parts
from maskinfer.engine.sinks.audio import FORMATS
from maskinfer.engine.sinks.video import can_be_played


def recover_videos(outputs: Iterable[Path], on_status: Callable[[str], None]) -> None:
    """Find what processes that were killed, or whose machine lost power, left in the folders of outputs.

    A recording gets the name that it was to have. A video, which can be made again, is named as one that a signal
    ended: ``NAME.partial.mkv``. What cannot be played is removed: what has no picture yet, and MP4 files that are no
    recordings, whose index is written last. Files of processes that are alive are left alone.

    Args:
        outputs: paths of videos that are to be written.
        on_status: called with a line for each file.
    """
    for folder in sorted({Path(os.path.realpath(path)).parent for path in outputs}):
        for left in left_parts(folder):
            if left.kind != "file":
                with suppress(OSError):
                    _recover(left, on_status)


def _recover(left: LeftPart, on_status: Callable[[str], None]) -> None:
    target = left.path.with_name(left.name)
    size_mb = left.path.stat().st_size / 1e6
    if target.suffix.lower() not in FORMATS or not can_be_played(left.path):
        left.path.unlink()
        _give_back(target)
        on_status(f"{target} was cut off when its process was killed: what there is cannot be played, and is removed")
        return
    name = target if left.kind == "recording" else partial_name(target)
    with taken_name(numbered(name)) as path:
        left.path.replace(path)
    on_status(f"{path} is recovered, {size_mb:.1f} MB: {_what(left)} that was cut off when its process was killed")


def _what(left: LeftPart) -> str:
    return "a recording" if left.kind == "recording" else "the beginning of a video"


def _give_back(target: Path) -> None:
    """Remove the empty file that kept the name, unless a living process has it."""
    with suppress(OutputError), taken_name((target,)):
        pass
