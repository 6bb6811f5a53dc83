"""What TensorRT is handed: shapes from the contract, and engines that are built once. Never run by us yet.

https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskinfer.engine.contract import METADATA_KEY, Contract, DetectorContract, InputSpec, from_metadata

# Least, most usual and largest batch of each task; engines are as good as their usual one.
_BATCHES = {"detector": (1, 4, 8), "classifier": (1, 16, 32)}


def tensorrt_options(model: Path, session: Any, cache: Path, versions: str) -> dict[str, str]:
    """Return the provider options for a model.

    Without shapes TensorRT would build an engine for every number of faces; without a cache, which is known by the
    model's content and the versions of the runtime, at every start. TensorRT itself tells engines of GPUs apart.

    Args:
        model: the file.
        session: of it, on the CPU, for its input's name and its metadata.
        cache: folder for engines.
        versions: of onnxruntime and whatever else engines depend on.
    """
    digest = hashlib.sha256(model.read_bytes() + versions.encode()).hexdigest()[:16]
    folder = str(cache / "tensorrt" / digest)
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
    }
    metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        return options
    name, contract = session.get_inputs()[0].name, from_metadata(metadata, str(model))
    shapes = {which: _shape(contract, place) for place, which in enumerate(("min", "opt", "max"))}
    return {**options, **{f"trt_profile_{which}_shapes": f"{name}:{shape}" for which, shape in shapes.items()}}


def _shape(contract: Contract, place: int) -> str:
    """Return the least, usual or largest shape of the input as TensorRT has it: 16x128x128x3."""
    is_detector = isinstance(contract, DetectorContract)
    width, height = contract.size_wh
    batch = _BATCHES["detector" if is_detector else "classifier"][place]
    if isinstance(contract, DetectorContract):
        batch = batch if contract.batch else 1
        if place == 0 and not contract.fixed_size:
            width = height = contract.size_divisor
    return "x".join(map(str, _ordered(contract.input, batch, height, width)))


def _ordered(spec: InputSpec, batch: int, height: int, width: int) -> tuple[int, int, int, int]:
    return (batch, height, width, 3) if spec.layout == "NHWC" else (batch, 3, height, width)
