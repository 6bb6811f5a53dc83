"""ONNX Runtime sessions on the provider that was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import ModelError, ProviderError, RequestError
from maskinfer.engine.files.cache import cache_folder
from maskinfer.engine.runtime.memory import limit_memory
from maskinfer.engine.runtime.padding import padded, sizes_for, without_padding
from maskinfer.engine.runtime.tensorrt import tensorrt_options

if TYPE_CHECKING:
    import onnxruntime as ort
from maskinfer.engine.runtime.cpu import available_threads
from maskinfer.engine.runtime.providers import (
    _HINTS,
    AUTO,
    AUTO_ORDER,
    BF16,
    CPU,
    import_onnxruntime,
    present_providers,
    reason_of,
    resolve_provider,
    short_name,
)


def create_session(
    model: Path, *, provider: str = AUTO, threads: int | None = None, lanes: int = 1, profile: Path | None = None
) -> ort.InferenceSession:
    """Open a model on a provider and prove that the provider is active.

    Args:
        model: an ONNX file.
        provider: see ``resolve_provider``; ``auto`` takes the best one that becomes active.
        threads: of the CPU for each run; None for ``available_threads()``.
        lanes: runs at the same time, which OpenVINO has to know beforehand: it would let them wait for one another.
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
        return _open(model, resolve_provider(provider), threads, profile, lanes=lanes, bf16=bf16)
    present = present_providers()
    for candidate in (p for p in AUTO_ORDER if p in present and p != CPU):
        try:
            return _open(model, candidate, threads, profile, lanes=lanes)
        except ProviderError:
            continue
    return _open(model, CPU, threads, profile)


def _open(
    model: Path, provider: str, threads: int, profile: Path | None, *, lanes: int = 1, bf16: bool = False
) -> ort.InferenceSession:
    ort = import_onnxruntime()
    if provider == "CUDAExecutionProvider" and hasattr(ort, "preload_dlls"):
        # Finds the CUDA and cuDNN wheels of pip, which the loader does not search by itself.
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, and told in one line
    # Plans of memory are kept for every shape, and there is one for each number of faces.
    options.enable_mem_pattern = False
    # Threads of one model that wait busily take the cores from the other models and stages of the job.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == CPU:
        limit_memory(ort, options)
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    given = provider_options(provider, threads, lanes=lanes, bf16=bf16)
    if provider == "TensorrtExecutionProvider":
        on_cpu = _open(model, CPU, threads, None)
        given |= tensorrt_options(model, on_cpu, cache_folder(), f"onnxruntime {ort.__version__}")
    wanted: list[Any] = [(provider, given)]
    if provider != CPU:
        wanted.append(CPU)  # for the nodes that the provider does not implement
        # A library of the provider that is missing is told by the error, not once more by the logger of the process.
        ort.set_default_logger_severity(4)
    try:
        # A fallback would print a banner, and run on the CPU what was asked of the provider.
        session = ort.InferenceSession(str(model), options, providers=wanted, enable_fallback=0)
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
    return session


def provider_options(provider: str, threads: int, *, lanes: int = 1, bf16: bool = False) -> dict[str, str]:
    """Return what a provider is opened with, by onnxruntime's documentation.

    OpenVINO has a thread pool of its own. It is split into one stream by default, whose runs wait for one another, and
    makes as many requests as it has threads (https://onnxruntime.ai/docs/execution-providers/OpenVINO-ExecutionProvider.html).

    Args:
        provider: onnxruntime's own name.
        threads: of the CPU for each run.
        lanes: runs at the same time.
        bf16: let OpenVINO round to bfloat16.
    """
    if provider == "OpenVINOExecutionProvider":
        rounding = {"load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}})} if bf16 else {}
        pool = {"num_of_threads": str(threads * lanes), "num_streams": str(lanes)}
        return {"device_type": "CPU", **pool, **rounding}
    if provider == "CUDAExecutionProvider":
        # TF32 would round the factors of products to ten bits, and probabilities would differ by up to 0.006.
        return {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    return {}


def is_on_cpu(session: ort.InferenceSession) -> bool:
    """Tell whether a session runs on onnxruntime's own provider for the CPU, and nowhere else."""
    providers: list[str] = session.get_providers()
    return providers == [CPU]


def run_session(
    session: ort.InferenceSession, batch: NDArray[Any], name: str, sizes: tuple[int, ...] | None = None
) -> list[NDArray[Any]]:
    """Return what a model gives for a batch.

    Args:
        session: of the model, whose first input takes the batch.
        batch: as the input has it.
        name: of the model, for messages.
        sizes: that batches are filled up to; None for what suits the provider, see ``padding``.

    Raises:
        ModelError: it does not run, or gives numbers that are not finite.
    """
    try:
        given = padded(batch, sizes_for(session) if sizes is None else sizes)
        run: list[NDArray[Any]] = session.run(None, {session.get_inputs()[0].name: given})
    except Exception as error:  # onnxruntime's own exceptions have no common base but this
        raise ModelError(f"the model {name} fails when it is run: {reason_of(error)}") from error
    outputs = [without_padding(output, len(batch), len(given)) for output in run] if len(given) > len(batch) else run
    for output in outputs:
        # The sum is finite only if all are, and takes a tenth of the time of looking at each.
        if output.dtype.kind == "f" and not np.isfinite(output.sum(dtype=np.float64)):
            raise ModelError(f"the model {name} gives numbers that are not finite: its file or its contract is wrong")
    return outputs
