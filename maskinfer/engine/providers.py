"""Execution providers and sessions: what was asked for is active, or it is an error."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskinfer.engine.errors import MissingExtraError, ModelError, ProviderError, RequestError
from maskinfer.engine.registry import cache_folder
from maskinfer.engine.tensorrt import tensorrt_options

if TYPE_CHECKING:
    import onnxruntime as ort

AUTO = "auto"
CPU = "CPUExecutionProvider"
# TensorRT builds an engine for minutes and OpenVINO may round to bf16: both want to be asked for by name.
AUTO_ORDER = (
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "ROCMExecutionProvider",
    "CoreMLExecutionProvider",
    "DmlExecutionProvider",
    CPU,
)
_SUFFIX = "ExecutionProvider"
# Every build has it, but it only calls models in a cloud: a session on it would run on the CPU.
_REMOTE = "AzureExecutionProvider"
_ALIASES = {"directml": "dml", "trt": "tensorrt"}
# OpenVINO that rounds to bfloat16: half the time where the processor multiplies that, for about three digits less.
BF16 = "openvino-bf16"
_HINTS = {
    "cuda": "run  pip install 'maskinfer[gpu]'  in an environment without plain onnxruntime, with a CUDA driver",
    "openvino": "run  pip install 'maskinfer[openvino]'  in an environment without plain onnxruntime",
}


def import_onnxruntime() -> Any:
    """Return the onnxruntime module.

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
            raise RequestError(f"provider {BF16}: this processor does not multiply bfloat16: ask for openvino")
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


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return what the processor calls itself; may be empty where only Linux would say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def has_vnni(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the processor multiplies int8 without saturating and fast (AVX-512 VNNI, AVX-VNNI).

    Only Linux is asked; elsewhere the answer is no.
    """
    try:
        flags = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the processor multiplies bfloat16 (AVX-512 BF16, AMX). Only Linux is asked."""
    try:
        flags = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def available_threads() -> int:
    """Return how many threads this process may keep busy: its CPU affinity, cut by the container's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cpus, math.ceil(quota)) if quota else cpus)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the CPU quota in cores, from control groups version 2 or 1; None when there is none."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text()
            period = (root / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return None
    if quota.strip() in ("max", "-1"):
        return None
    return int(quota) / int(period)


def create_session(
    model: Path, *, provider: str = AUTO, threads: int | None = None, profile: Path | None = None
) -> ort.InferenceSession:
    """Open a model on a provider and prove that the provider is active.

    Args:
        model: an ONNX file.
        provider: see ``resolve_provider``; ``auto`` takes the best one that becomes active.
        threads: of the CPU for this session; None for ``available_threads()``.
        profile: how the names of onnxruntime's own profiles begin; None for none.

    Raises:
        RequestError, ProviderError: as ``resolve_provider``, or the provider did not become active.
        ModelError: the file cannot be loaded.
    """
    threads = available_threads() if threads is None else threads
    if threads < 1:
        raise RequestError(f"threads is {threads}, expected at least 1")
    if provider.lower() != AUTO:
        bf16 = short_name(provider) == BF16
        return _open(model, resolve_provider(provider), threads, profile, bf16=bf16)
    present = present_providers()
    for candidate in (p for p in AUTO_ORDER if p in present and p != CPU):
        try:
            return _open(model, candidate, threads, profile)
        except ProviderError:
            continue
    return _open(model, CPU, threads, profile)


def _open(
    model: Path, provider: str, threads: int, profile: Path | None, *, bf16: bool = False
) -> ort.InferenceSession:
    ort = import_onnxruntime()
    if provider == "CUDAExecutionProvider" and hasattr(ort, "preload_dlls"):
        # Finds the CUDA and cuDNN wheels of pip, which the loader does not search by itself.
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Plans of memory are kept for every shape, and there is one for each number of faces.
    options.enable_mem_pattern = False
    # Threads of one model that wait busily take the cores from the other models and stages of the job.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    given = _provider_options(provider, threads, bf16=bf16)
    if provider == "TensorrtExecutionProvider":
        on_cpu = _open(model, CPU, threads, None)
        given |= tensorrt_options(model, on_cpu, cache_folder(), f"onnxruntime {ort.__version__}")
    wanted: list[Any] = [(provider, given)]
    if provider != CPU:
        wanted.append(CPU)  # for the nodes that the provider does not implement
    try:
        session = ort.InferenceSession(str(model), options, providers=wanted)
    except Exception as error:  # onnxruntime's own exceptions have no common base but this
        if provider == CPU:
            raise ModelError(f"{model} cannot be loaded as an ONNX model: {reason_of(error)}") from error
        raise ProviderError(f"provider {short_name(provider)} failed to load {model}: {reason_of(error)}") from error
    if session.get_providers()[0] != provider:
        active = ", ".join(short_name(p) for p in session.get_providers())
        hint = _HINTS.get(short_name(provider), "see onnxruntime's requirements for it")
        raise ProviderError(
            f"provider {short_name(provider)} was asked for but is not active (active: {active}); "
            f"its libraries or its device are missing: {hint}"
        )
    session.disable_fallback()
    return session


def _provider_options(provider: str, threads: int, *, bf16: bool = False) -> dict[str, str]:
    if provider == "OpenVINOExecutionProvider":
        rounding = {"load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}})} if bf16 else {}
        return {"device_type": "CPU", "num_of_threads": str(threads), **rounding}
    if provider == "CUDAExecutionProvider":
        return {"cudnn_conv_algo_search": "HEURISTIC"}
    return {}
