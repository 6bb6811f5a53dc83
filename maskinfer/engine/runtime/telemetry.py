"""What the libraries below would send to their makers, switched off before they are loaded."""

from __future__ import annotations

import os
import sys
from typing import Any

# By the Privacy.md that onnxruntime's packages hold, from 1.29 on.
_ONNXRUNTIME_SWITCH = "ORT_DISABLE_TELEMETRY"


def forbid_onnxruntime_telemetry() -> None:
    """Keep onnxruntime, if it is loaded after this call, from making a device id, a cache and an uploader.

    Its official builds send events about sessions and models to mobile.events.data.microsoft.com unless an
    environment variable was set before they are loaded. ``import maskinfer`` calls this.
    """
    os.environ[_ONNXRUNTIME_SWITCH] = "1"


def silence_onnxruntime(ort: Any) -> None:
    """Stop the events of an onnxruntime that the program had loaded before maskinfer.

    Such a one has made its device id already and sends one event of its start; only the environment variable, set by
    whoever starts the program, keeps it from that.
    """
    disable = getattr(ort, "disable_telemetry_events", None)
    if disable is not None:
        disable()


def forbid_openvino_telemetry() -> None:
    """Keep the ``openvino`` package from reporting to Google Analytics that it was imported.

    It has no switch for one process, but does without the package that sends if that cannot be imported.
    """
    # None is how Python is told to refuse an import.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
