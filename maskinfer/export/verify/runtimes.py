"""The runtimes that may be on a machine, each as one function from a model file to outputs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import MaskinferError
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.runtime.providers import import_onnxruntime, present_providers, short_name
from maskinfer.engine.runtime.session import create_session
from maskinfer.engine.runtime.telemetry import forbid_openvino_telemetry

Outputs = list[NDArray[np.float32]]
Run = Callable[[NDArray[Any]], Outputs]


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime that is installed.

    Attributes:
        name: ``onnxruntime cpu``, ``openvino``, ``opencv dnn``, ``onnx reference``, ``torch``.
        version: of its package.
        open: takes a model file with one input and the names of its outputs; raises whatever it likes.
    """

    name: str
    version: str
    open: Callable[[Path, Sequence[str]], Run]


def installed_runtimes(checkpoint: Path | None = None) -> Iterator[Runtime]:
    """Yield the runtimes of this machine; onnxruntime on the CPU is the first.

    Args:
        checkpoint: that the model was exported from, for torch.
    """
    providers = sorted(present_providers(), key=lambda p: short_name(p) != "cpu")
    for provider in map(short_name, providers):
        yield Runtime(f"onnxruntime {provider}", import_onnxruntime().__version__, _on_provider(provider))
    for name, packages, opener in (
        ("openvino", ("openvino",), _openvino),
        ("opencv dnn", ("opencv-python", "opencv-python-headless"), _opencv),
        ("onnx reference", ("onnx",), _reference),
    ):
        version = next(filter(None, map(_version, packages)), "")
        if version:
            yield Runtime(name, version, opener)
    if checkpoint is not None:
        yield Runtime("torch", _version("torch"), lambda file, outputs: _torch(checkpoint, file))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _on_provider(provider: str) -> Callable[[Path, Sequence[str]], Run]:
    def opened(file: Path, outputs: Sequence[str]) -> Run:
        session = create_session(file, provider=provider)
        name = session.get_inputs()[0].name
        return lambda batch: [np.asarray(o, np.float32) for o in session.run(list(outputs), {name: batch})]

    return opened


def _openvino(file: Path, outputs: Sequence[str]) -> Run:
    forbid_openvino_telemetry()
    import openvino

    core = openvino.Core()
    # By itself it calculates in bfloat16 where the processor can: fast, and another result.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(file), "CPU", exact)

    def run(batch: NDArray[Any]) -> Outputs:
        found = compiled(batch)
        return [np.array(found[name], np.float32) for name in outputs]

    return run


def _opencv(file: Path, outputs: Sequence[str]) -> Run:
    import cv2

    network = cv2.dnn.readNetFromONNX(str(file))

    def run(batch: NDArray[Any]) -> Outputs:
        network.setInput(batch)
        return [np.array(output, np.float32) for output in network.forward(list(outputs))]

    return run


def _reference(file: Path, outputs: Sequence[str]) -> Run:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(file))
    name = evaluator.input_names[0]
    return lambda batch: [np.asarray(o, np.float32) for o in evaluator.run(list(outputs), {name: batch})]


def _torch(checkpoint: Path, file: Path) -> Run:
    """Run the network that the file was exported from, by the preprocessing that it was trained with."""
    from maskinfer.engine.contract import ClassifierContract, from_metadata

    metadata = create_session(file, provider="cpu", threads=1).get_modelmeta().custom_metadata_map
    contract = from_metadata(metadata, str(file))
    if checkpoint.is_file() and sha256_of(checkpoint) != contract.source_sha256:
        raise MaskinferError(f"{checkpoint} is not what the file was exported from")
    if isinstance(contract, ClassifierContract):
        return _torch_classifier(checkpoint, contract.temperature)
    return _torch_detector(checkpoint)


def _torch_classifier(checkpoint: Path, temperature: float) -> Run:
    import torch

    from maskinfer.training.classifier.checkpoint import load_checkpoint, restore
    from maskinfer.training.classifier.network import to_network_input

    network = restore(load_checkpoint(checkpoint))

    def run(batch: NDArray[Any]) -> Outputs:
        with torch.inference_mode():
            logits = network(to_network_input(torch.from_numpy(batch)))
            return [torch.softmax(logits / temperature, 1).numpy()]

    return run


def _torch_detector(checkpoint: Path) -> Run:
    import torch

    from maskinfer.training.detector.checkpoint import load_checkpoint, restore
    from maskinfer.training.detector.model import to_detector_input

    network = restore(load_checkpoint(checkpoint))

    def run(batch: NDArray[Any]) -> Outputs:
        with torch.inference_mode():
            boxes, logits, landmarks = network(to_detector_input(torch.from_numpy(batch)))
            return [boxes.numpy(), torch.softmax(logits, 2).numpy(), landmarks.numpy()]

    return run
