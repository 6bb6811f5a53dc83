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
        "067ad70931a5a33a14c45e75f1cfd91cd87161c6f7623b394250e05de101bf7a",
        "RetinaFace fine-tuned on masked faces, five landmarks",
        "retinaface-mask-mnet025.md",
    ),
    "retinaface-mask-int8": ShippedModel(
        "retinaface-mask-mnet025-int8.onnx",
        "detector",
        "4d413397b35c7a9654192967ed6d536a568a30901a6bcba7e5efaac2442ba52c",
        "the same in int8, for x86 processors with AVX2",
        "retinaface-mask-mnet025.md",
    ),
    "retinaface": ShippedModel(
        "retinaface-mnet025.onnx",
        "detector",
        "876e8b4ddff30b059f90bb9018b466bad0a049ec7915c10c97297c6d98a431f5",
        "RetinaFace as published, MobileNetV1-0.25 backbone, five landmarks",
        "retinaface-mnet025.md",
    ),
    "mobilenetv2-128": ShippedModel(
        "mobilenetv2-128.onnx",
        "classifier",
        "77c9a0fe2f970f9f1a9ef2158192baa913a7f0285e3fced63b5826b4bd351fef",
        "MobileNetV2 at 128 px: with_mask, without_mask, incorrect_mask",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-128-int8": ShippedModel(
        "mobilenetv2-128-int8.onnx",
        "classifier",
        "87d4c8cccb20155a150a603be05c6ca25127d3f07adb6df9d74e10b095d3252e",
        "the same in int8, for x86 processors with AVX2",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-160": ShippedModel(
        "mobilenetv2-160.onnx",
        "classifier",
        "ca5d5f2e98c14aa6ec8c788e21ba19afb7b1c2de863e0e619b5e83e0a6bc6b74",
        "the same network at 160 px, which looks once: slower, and no more often right",
        "mobilenetv2-160.md",
    ),
    "mobilenetv2-small-112": ShippedModel(
        "mobilenetv2-small-112.onnx",
        "classifier",
        "d73abf75b969d722506448f5fcbbd6465792c711f1318f6f911e868ec3e40fe7",
        "MobileNetV2 of half the width at 112 px, the same labels",
        "mobilenetv2-small-112.md",
    ),
    "mobilenetv2-small-112-int8": ShippedModel(
        "mobilenetv2-small-112-int8.onnx",
        "classifier",
        "155348181098b8579b3bf909fe571d151cad980659cc5f4bccb1d0c934fc3522",
        "the same in int8, for x86 processors with AVX2",
        "mobilenetv2-small-112.md",
    ),
}
