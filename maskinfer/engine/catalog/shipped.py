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
        "64e6782aa7caf0fc6a511db3b64125c8bcd23cac06d049925021762df2e13881",
        "the same in int8, for processors with VNNI",
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
        "1ef37c375f6e4420426eeab648fc44bdb62aa2acb5fe29940d5d63c056c092f5",
        "MobileNetV2 at 128 px: with_mask, without_mask, incorrect_mask",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-128-int8": ShippedModel(
        "mobilenetv2-128-int8.onnx",
        "classifier",
        "64d3ccbaae3b234ac8c333a6dc7c4d1cc9fb559772639a4c90adcdc47b7f2d11",
        "the same in int8, for processors with VNNI",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-160": ShippedModel(
        "mobilenetv2-160.onnx",
        "classifier",
        "7599780aff5ae75832dfcad350f9b685f558f340681d9efce671a5ec63fb6f3e",
        "the same network at 160 px, trained for longer: more accurate, and slower",
        "mobilenetv2-160.md",
    ),
    "mobilenetv2-small-112": ShippedModel(
        "mobilenetv2-small-112.onnx",
        "classifier",
        "4eee57050e51f746b9b2dd3f902c18bfdbb08ebcaed2f4dc09b0b23f9b7fc5e1",
        "MobileNetV2 of half the width at 112 px, the same labels",
        "mobilenetv2-small-112.md",
    ),
    "mobilenetv2-small-112-int8": ShippedModel(
        "mobilenetv2-small-112-int8.onnx",
        "classifier",
        "a033c0d5d4cf932a61e60564f3f969173525c1a1d684aecf4cc3f2cfa4758740",
        "the same in int8, for processors with VNNI",
        "mobilenetv2-small-112.md",
    ),
}
