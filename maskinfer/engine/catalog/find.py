"""Model files by name or path, and the contract that each carries."""

from __future__ import annotations

from pathlib import Path

from maskinfer.engine.catalog.insightface import INSIGHTFACE_PREFIX, insightface_file
from maskinfer.engine.catalog.promoted import promoted, promoted_file
from maskinfer.engine.catalog.registry import registered
from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.contract import ClassifierContract, from_metadata
from maskinfer.engine.errors import ModelError, ModelNotFoundError
from maskinfer.engine.files.cache import cache_folder
from maskinfer.engine.files.checks import sha256_once
from maskinfer.engine.files.inside import inside
from maskinfer.engine.runtime.cpu import has_fast_int8
from maskinfer.engine.runtime.providers import prefers_int8
from maskinfer.engine.runtime.session import create_session

ANY_TASK = "model"


def find_model(name: str, task: str) -> Path:
    """Return the file of a model.

    Args:
        name: of a shipped model, of one in the user's registry, of a promoted one, ``insightface:PACK`` for a detector,
            or the path of an ONNX file.
        task: ``detector``, ``classifier``, or ``ANY_TASK``.

    Raises:
        ModelNotFoundError: there is no such name and no such file, or the model is not on this machine yet.
        ModelError: the file has other bytes than its name stands for (SHA-256, calculated once in a process).
        RequestError: the user's registry cannot be read.
    """
    shipped = {key: model for key, model in SHIPPED.items() if task in (model.task, ANY_TASK)}
    if name in shipped:
        return _checked(name, MODELS_DIR / shipped[name].file, shipped[name].sha256)
    own = {key: model for key, model in registered().items() if task in (model.task, ANY_TASK)}
    if name in own:
        return _checked(name, _here(name, inside(cache_folder(), own[name].file)), own[name].sha256)
    ours = {key: one for key, one in promoted().items() if task in (one.now.task, ANY_TASK)}
    if name in ours:
        file = promoted_file(name)
        if not file.is_file():
            raise ModelNotFoundError(f"the file of {name} is not there any more ({file}): promote it again")
        return _checked(name, file, ours[name].now.sha256)
    if task in ("detector", ANY_TASK) and name.startswith(INSIGHTFACE_PREFIX):
        return _here(name, insightface_file(name.removeprefix(INSIGHTFACE_PREFIX)))
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{name} is a folder, expected an ONNX file")
    also = "" if task == "classifier" else f", {INSIGHTFACE_PREFIX}PACK"
    raise ModelNotFoundError(
        f"no {task} {name!r}: choose {', '.join(sorted({**shipped, **own, **ours}))}{also}, or an ONNX file"
    )


def best_precision_name(name: str, provider: str) -> str:
    """Return the name of a shipped model, or of the same in int8 where that is as right and faster.

    That is on an x86 CPU with AVX2, by onnxruntime itself or by OpenVINO. A GPU is slower with int8, and other
    processors were not measured.

    Raises:
        RequestError, ProviderError: as ``providers.resolve_provider``.
    """
    return f"{name}-int8" if prefers_int8(provider) and has_fast_int8() else name


def _here(name: str, file: Path) -> Path:
    if not file.is_file():
        raise ModelNotFoundError(f"{name} is not on this machine: run maskinfer models pull {name}")
    return file


def _checked(name: str, file: Path, sha256: str) -> Path:
    if file.is_file() and sha256_once(file) != sha256:
        raise ModelError(f"{file} is not the file that {name} names (SHA-256): remove it and get it again")
    return file


def task_of(name: str) -> str:
    """Return what a model is by its own word: ``detector`` or ``classifier``.

    Args:
        name: as for ``find_model``.

    Raises:
        ModelNotFoundError, ModelError: there is no such model, or it cannot be opened.
        ContractError: the file does not say what it is.
    """
    if name in SHIPPED:
        return SHIPPED[name].task
    if name.startswith(INSIGHTFACE_PREFIX):
        return "detector"
    if name in registered():
        return registered()[name].task
    if name in promoted():
        return promoted()[name].now.task
    file = find_model(name, ANY_TASK)
    metadata = create_session(file, provider="cpu", threads=1).get_modelmeta().custom_metadata_map
    return "classifier" if isinstance(from_metadata(metadata, str(file)), ClassifierContract) else "detector"
