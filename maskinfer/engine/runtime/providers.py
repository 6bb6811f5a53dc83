"""Execution providers and sessions: what was asked for is active, or it is an error."""

from __future__ import annotations

import re
from typing import Any

from maskinfer.engine.errors import MissingExtraError, ProviderError, RequestError
from maskinfer.engine.runtime.cpu import has_bf16
from maskinfer.engine.runtime.telemetry import silence_onnxruntime

AUTO = "auto"
CPU = "CPUExecutionProvider"
# What is not here wants to be asked for by name: TensorRT and MIGraphX build engines for minutes, OpenVINO may round to
# bf16, CoreML was reported 6 to 8 times slower than the CPU with models of this size, and DirectML was not measured.
AUTO_ORDER = ("CUDAExecutionProvider", CPU)
_SUFFIX = "ExecutionProvider"
# Every build has it, but it only calls models in a cloud: a session on it would run on the CPU.
_REMOTE = "AzureExecutionProvider"
# They calculate on the cores that the other stages of a job need too; OpenVINO by ``session.provider_options``.
_ON_CORES = (CPU, "OpenVINOExecutionProvider", "XnnpackExecutionProvider", "DnnlExecutionProvider")
_ALIASES = {"directml": "dml", "trt": "tensorrt"}
# OpenVINO that rounds to bfloat16: half the time where the processor multiplies that, for about three digits less.
BF16 = "openvino-bf16"
_HINTS = {
    "cuda": "run  pip install 'maskinfer[gpu]'  in an environment without plain onnxruntime, with a CUDA driver",
    "openvino": "run  pip install 'maskinfer[openvino]'  in an environment without plain onnxruntime",
}


def import_onnxruntime() -> Any:
    """Return the onnxruntime module, which is kept from sending anything.

    Raises:
        MissingExtraError: neither onnxruntime nor onnxruntime-gpu is installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "cpu") from error
    if not hasattr(onnxruntime, "InferenceSession"):
        # What is left of the folder after one of the two packages was removed beside the other.
        raise MissingExtraError("a working onnxruntime", "cpu")
    silence_onnxruntime(onnxruntime)
    return onnxruntime


def reason_of(error: Exception) -> str:
    """Return what an exception of onnxruntime says, without its codes and the places in its source."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))
    return re.sub(r"/onnxruntime_src/\S+ .*?\) (?=[A-Z])", "", text)[:300]


def short_name(provider: str) -> str:
    """Return the name that a user types: ``CUDAExecutionProvider`` -> ``cuda``."""
    return provider.removesuffix(_SUFFIX).lower()


def present_providers() -> list[str]:
    """Return onnxruntime's own names of the providers that the installed build has and that run models here."""
    return [str(p) for p in import_onnxruntime().get_available_providers() if p != _REMOTE]


def resolve_provider(name: str) -> str:
    """Return onnxruntime's own name of a provider that this build of onnxruntime has.

    Args:
        name: ``cpu``, ``cuda``, ``openvino``, ``openvino-bf16`` ..., in any case, or onnxruntime's own name. Not
            ``auto``.

    Raises:
        RequestError: no onnxruntime knows that provider, or the processor has no bfloat16.
        ProviderError: onnxruntime knows it, but the installed build does not have it.
    """
    ort = import_onnxruntime()
    known = {short_name(p): p for p in ort.get_all_providers() if p != _REMOTE}
    key = short_name(name)
    if key == BF16:
        if not has_bf16():
            raise RequestError(
                f"provider {BF16}: this processor does not multiply bfloat16, or the system does not say (only Linux "
                "does): ask for openvino"
            )
        key = "openvino"
    key = _ALIASES.get(key, key)
    if key not in known:
        raise RequestError(f"unknown provider {name!r}: choose auto, {', '.join(sorted(known))}")
    if known[key] not in present_providers():
        hint = _HINTS.get(key, "install a build of onnxruntime that has it")
        present = ", ".join(short_name(p) for p in present_providers())
        raise ProviderError(
            f"provider {key} is not in the installed onnxruntime {ort.__version__} (it has {present}): {hint}"
        )
    return str(known[key])


def runs_on_cpu(name: str) -> bool:
    """Tell whether a provider, or what ``auto`` may become here, is the CPU for certain.

    Raises:
        RequestError, ProviderError: as ``resolve_provider``.
    """
    if name.lower() != AUTO:
        return resolve_provider(name) == CPU
    return not [provider for provider in present_providers() if provider in AUTO_ORDER and provider != CPU]


def uses_cores(name: str) -> bool:
    """Tell whether a provider, or what ``auto`` may become here, calculates on the CPU's cores for certain.

    Raises:
        RequestError, ProviderError: as ``resolve_provider``.
    """
    return runs_on_cpu(name) if name.lower() == AUTO else resolve_provider(name) in _ON_CORES


def prefers_int8(name: str) -> bool:
    """Tell whether a provider, or what ``auto`` may become here, is faster in int8 and as right, on x86 with AVX2.

    Raises:
        RequestError, ProviderError: as ``resolve_provider``.
    """
    if name.lower() == AUTO:
        return runs_on_cpu(name)
    return resolve_provider(name) in (CPU, "OpenVINOExecutionProvider") and short_name(name) != BF16
