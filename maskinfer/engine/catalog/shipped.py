"""The models that the package ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODELS_DIR = Path(__file__).resolve().parents[2] / "models"


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
