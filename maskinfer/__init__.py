"""maskinfer tells, for every face in an image, a video or a camera, whether it wears a mask.

import maskinfer

engine = maskinfer.load()
result = engine(frame_bgr)                    # one frame, or a list of frames
for result in engine.iterate("clip.mp4"):     # a result a frame
    print(result.time_s, result.counts())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskinfer.engine.engine import Engine, load
    from maskinfer.engine.errors import MaskinferError
    from maskinfer.engine.results import Face, FrameResult

__version__ = "0.1.0"
__all__ = ["Engine", "Face", "FrameResult", "MaskinferError", "__version__", "load"]

_HOMES = {
    "Engine": "engine",
    "load": "engine",
    "MaskinferError": "errors",
    "Face": "results",
    "FrameResult": "results",
}


def __getattr__(name: str) -> Any:
    """Import the public names on their first use, so that the command line starts at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'maskinfer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"maskinfer.engine.{_HOMES[name]}"), name)
