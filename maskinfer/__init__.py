"""maskinfer tells, for every face in an image, a video or a camera, whether it wears a mask.

::

    import maskinfer

    engine = maskinfer.load()
    result = engine("team.jpg")                   # an image, or a list of images
    for result in engine.iterate("clip.mp4"):     # a result for each frame
        print(result.time_s, result.counts())

The names in ``maskinfer.__all__`` are the public API; everything else may change from one release to the next.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from maskinfer.engine.runtime.telemetry import forbid_onnxruntime_telemetry

if TYPE_CHECKING:
    from maskinfer.engine.check import check_classifier, check_detector
    from maskinfer.engine.contract import CropRule
    from maskinfer.engine.engine import Engine
    from maskinfer.engine.errors import (
        ClusterError,
        ContractError,
        DisplayError,
        DownloadError,
        MaskinferError,
        MissingExtraError,
        ModelError,
        ModelNotFoundError,
        OutputError,
        ParityError,
        ProviderError,
        RequestError,
        SourceDeniedError,
        SourceError,
        SourceNotFoundError,
        TruncatedSourceError,
    )
    from maskinfer.engine.faces.protocols import Classifier, Detector
    from maskinfer.engine.faces.quality import Gate
    from maskinfer.engine.faces.track import TrackOptions
    from maskinfer.engine.files.jsonl import read_results
    from maskinfer.engine.flow.progress import Progress
    from maskinfer.engine.frames.annotate import Style, annotate
    from maskinfer.engine.frames.frame import Frame
    from maskinfer.engine.frames.picture import Picture
    from maskinfer.engine.jobs.images import run_images
    from maskinfer.engine.jobs.summary import JobSummary
    from maskinfer.engine.jobs.video import run_video
    from maskinfer.engine.load import load
    from maskinfer.engine.results import Detections, Face, FrameResult, to_pandas
    from maskinfer.engine.sinks.copies.encoding import Encoding
    from maskinfer.engine.sinks.event_targets import EventTargets
    from maskinfer.engine.sinks.events import Event, EventOptions, find_events
    from maskinfer.engine.sinks.outputs import Outputs, Sink
    from maskinfer.engine.sources.live import FeedOptions
    from maskinfer.engine.sources.open import open_source

__version__ = "0.1.0"
__all__ = [
    "Classifier",
    "ClusterError",
    "ContractError",
    "CropRule",
    "Detections",
    "Detector",
    "DisplayError",
    "DownloadError",
    "Encoding",
    "Engine",
    "Event",
    "EventOptions",
    "EventTargets",
    "Face",
    "FeedOptions",
    "Frame",
    "FrameResult",
    "Gate",
    "JobSummary",
    "MaskinferError",
    "MissingExtraError",
    "ModelError",
    "ModelNotFoundError",
    "OutputError",
    "Outputs",
    "ParityError",
    "Picture",
    "Progress",
    "ProviderError",
    "RequestError",
    "Sink",
    "SourceDeniedError",
    "SourceError",
    "SourceNotFoundError",
    "Style",
    "TrackOptions",
    "TruncatedSourceError",
    "__version__",
    "annotate",
    "check_classifier",
    "check_detector",
    "find_events",
    "load",
    "open_source",
    "read_results",
    "run_images",
    "run_video",
    "to_pandas",
]

# Here, because other packages load onnxruntime too.
forbid_onnxruntime_telemetry()

# Where each public name is defined. The modules are imported on the first use of a name, so that ``import maskinfer``
# and the command line start at once.
_MODULES = {
    "engine.contract": ("CropRule",),
    "engine.engine": ("Engine",),
    "engine.errors": (
        *("ClusterError", "ContractError", "DisplayError", "DownloadError", "MaskinferError", "MissingExtraError"),
        "ModelError",
        *("ModelNotFoundError", "OutputError", "ParityError", "ProviderError", "RequestError", "SourceError"),
        *("SourceDeniedError", "SourceNotFoundError", "TruncatedSourceError"),
    ),
    "engine.check": ("check_classifier", "check_detector"),
    "engine.faces.protocols": ("Classifier", "Detector"),
    "engine.faces.quality": ("Gate",),
    "engine.faces.track": ("TrackOptions",),
    "engine.files.jsonl": ("read_results",),
    "engine.flow.progress": ("Progress",),
    "engine.frames.annotate": ("Style", "annotate"),
    "engine.frames.frame": ("Frame",),
    "engine.frames.picture": ("Picture",),
    "engine.jobs.images": ("run_images",),
    "engine.jobs.summary": ("JobSummary",),
    "engine.jobs.video": ("run_video",),
    "engine.load": ("load",),
    "engine.results": ("Detections", "Face", "FrameResult", "to_pandas"),
    "engine.sinks.copies.encoding": ("Encoding",),
    "engine.sinks.event_targets": ("EventTargets",),
    "engine.sinks.events": ("Event", "EventOptions", "find_events"),
    "engine.sinks.outputs": ("Outputs", "Sink"),
    "engine.sources.live": ("FeedOptions",),
    "engine.sources.open": ("open_source",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'maskinfer' has no attribute {name!r}")
    return getattr(import_module(f"maskinfer.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, also those that have not been imported yet."""
    return sorted(__all__)
