"""Model files by name or path, and the contract that each carries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from maskinfer.engine.contract import ClassifierContract, from_metadata
from maskinfer.engine.errors import DownloadError, MissingExtraError, ModelError, ModelNotFoundError, RequestError
from maskinfer.engine.providers import create_session, has_vnni, runs_on_cpu
from maskinfer.engine.registry import cache_folder, registered

MODELS_DIR = Path(__file__).resolve().parent.parent / "models"
INSIGHTFACE_PREFIX = "insightface:"
ANY_TASK = "model"
# The detector's file in each of insightface's packs; all are SCRFD, for non-commercial research only.
INSIGHTFACE_PACKS = {
    "buffalo_l": "det_10g.onnx",
    "buffalo_m": "det_2.5g.onnx",
    "buffalo_s": "det_500m.onnx",
    "buffalo_sc": "det_500m.onnx",
    "antelopev2": "scrfd_10g_bnkps.onnx",
}


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A model file that lies in the package.

    Attributes:
        file: its name in ``MODELS_DIR``.
        task: ``detector`` or ``classifier``.
        sha256: of the file's bytes.
        about: one line for the reader.
        card: its card's name in ``MODELS_DIR``.
    """

    file: str
    task: str
    sha256: str
    about: str
    card: str


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def find_model(name: str, task: str) -> Path:
    """Return the file of a model.

    Args:
        name: of a shipped model, of one in the user's registry, ``insightface:PACK`` for a detector, or the path of
            an ONNX file.
        task: ``detector``, ``classifier``, or ``ANY_TASK``.

    Raises:
        ModelNotFoundError: there is no such name and no such file, or the model is not on this machine yet.
        RequestError: the user's registry cannot be read.
    """
    shipped = {key: model for key, model in SHIPPED.items() if task in (model.task, ANY_TASK)}
    if name in shipped:
        return MODELS_DIR / shipped[name].file
    own = {key: model for key, model in registered().items() if task in (model.task, ANY_TASK)}
    if name in own:
        return _here(name, cache_folder() / own[name].file)
    if task in ("detector", ANY_TASK) and name.startswith(INSIGHTFACE_PREFIX):
        return _here(name, insightface_file(name.removeprefix(INSIGHTFACE_PREFIX)))
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{name} is a folder, expected an ONNX file")
    also = "" if task == "classifier" else f", {INSIGHTFACE_PREFIX}PACK"
    raise ModelNotFoundError(
        f"no {task} {name!r}: choose {', '.join(sorted({**shipped, **own}))}{also}, or an ONNX file"
    )


def in_best_precision(name: str, provider: str) -> str:
    """Return the name of a shipped model, or of the same in int8 where that is as right and faster.

    That is on a CPU with VNNI; without it int8 products may saturate, and a GPU is slower with them.

    Raises:
        RequestError, ProviderError: as ``providers.resolve_provider``.
    """
    return f"{name}-int8" if runs_on_cpu(provider) and has_vnni() else name


def _here(name: str, file: Path) -> Path:
    if not file.is_file():
        raise ModelNotFoundError(f"{name} is not on this machine: run maskinfer models pull {name}")
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
    file = find_model(name, ANY_TASK)
    metadata = create_session(file, provider="cpu", threads=1).get_modelmeta().custom_metadata_map
    return "classifier" if isinstance(from_metadata(metadata, str(file)), ClassifierContract) else "detector"


def insightface_file(pack: str) -> Path:
    """Return where insightface keeps the detector of one of its packs.

    Raises:
        RequestError: there is no such pack.
    """
    if pack not in INSIGHTFACE_PACKS:
        raise RequestError(f"unknown insightface pack {pack!r}: choose {', '.join(sorted(INSIGHTFACE_PACKS))}")
    return Path("~/.insightface/models").expanduser() / pack / INSIGHTFACE_PACKS[pack]


def pull_insightface(pack: str) -> None:
    """Let insightface fetch one of its packs, all of which are for non-commercial research only.

    Raises:
        MissingExtraError: it is not installed. DownloadError: it could not.
    """
    try:
        from insightface.utils.storage import ensure_available
    except ImportError as error:
        raise MissingExtraError("insightface, which fetches its packs,", "insightface") from error
    try:
        ensure_available("models", pack)
    except Exception as error:  # whatever its HTTP client raises
        raise DownloadError(f"insightface could not fetch the pack {pack}: {error}") from error
    if not insightface_file(pack).is_file():
        raise DownloadError(f"insightface fetched the pack {pack} without {insightface_file(pack).name}")


SHIPPED: dict[str, ShippedModel] = {
    "retinaface-mask": ShippedModel(
        "retinaface-mask-mnet025.onnx",
        "detector",
        "6a7e3f10faec82de5b4d72122f19a3507f32819512d550c867064c2f783e76b4",
        "RetinaFace fine-tuned on masked faces, five landmarks",
        "retinaface-mask-mnet025.md",
    ),
    "retinaface-mask-int8": ShippedModel(
        "retinaface-mask-mnet025-int8.onnx",
        "detector",
        "379a61e77f9690def22132bdaebc342dce95f4d1c7dbcd22f9781503e7fafbf0",
        "the same in int8, for processors with VNNI",
        "retinaface-mask-mnet025.md",
    ),
    "retinaface": ShippedModel(
        "retinaface-mnet025.onnx",
        "detector",
        "ac764611116031120f7dfe499a881747395d98b01aff3d58e2855aaa2e78aa84",
        "RetinaFace as published, MobileNetV1-0.25 backbone, five landmarks",
        "retinaface-mnet025.md",
    ),
    "mobilenetv2-128": ShippedModel(
        "mobilenetv2-128.onnx",
        "classifier",
        "d6f25c1be87c6136b7885e00a3a56814f34bfde0f7759ba1e6ce1e12a58254d7",
        "MobileNetV2 at 128 px: with_mask, without_mask, incorrect_mask",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-128-int8": ShippedModel(
        "mobilenetv2-128-int8.onnx",
        "classifier",
        "590ec810b8657896d78a3b5d451866d6eb1c16205480a7552ffdef567f75cf9c",
        "the same in int8, for processors with VNNI",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-small-112": ShippedModel(
        "mobilenetv2-small-112.onnx",
        "classifier",
        "9da8f834a7244ed46a1216c69abb6fb8c14df1a77b0abb029269ad8dbcbcfa0d",
        "MobileNetV2 of half the width at 112 px, the same labels",
        "mobilenetv2-small-112.md",
    ),
    "mobilenetv2-small-112-int8": ShippedModel(
        "mobilenetv2-small-112-int8.onnx",
        "classifier",
        "74bd52bc2674e7508ab4d1b64f69adba745bed2c26f8997d153c746316350c99",
        "the same in int8, for processors with VNNI",
        "mobilenetv2-small-112.md",
    ),
}
