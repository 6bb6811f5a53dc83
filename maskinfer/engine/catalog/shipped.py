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
        "d0c13d13b5bdf47a05263ef9785afb01667bbb624be4491c33336dcfd844f42e",
        "MobileNetV2 at 128 px: with_mask, without_mask, incorrect_mask",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-128-int8": ShippedModel(
        "mobilenetv2-128-int8.onnx",
        "classifier",
        "6f3c2f537dda4c576fee39714766071258a06688f09dad838055b97723072286",
        "the same in int8, for processors with VNNI",
        "mobilenetv2-128.md",
    ),
    "mobilenetv2-160": ShippedModel(
        "mobilenetv2-160.onnx",
        "classifier",
        "3dbec48f43f746f00d2ef9d932263043fa7f1c190087146ded2aba673b69c714",
        "the same network at 160 px, trained for longer: more accurate, and slower",
        "mobilenetv2-160.md",
    ),
    "mobilenetv2-small-112": ShippedModel(
        "mobilenetv2-small-112.onnx",
        "classifier",
        "9661cc90aa7da1aa5fca780150c5a1147909337df205abbf5e1f5d1ac833a602",
        "MobileNetV2 of half the width at 112 px, the same labels",
        "mobilenetv2-small-112.md",
    ),
    "mobilenetv2-small-112-int8": ShippedModel(
        "mobilenetv2-small-112-int8.onnx",
        "classifier",
        "d8ac95648c39be113e0aa1f60474d4a920ccc9501b5e5a56c31e77116b230ab9",
        "the same in int8, for processors with VNNI",
        "mobilenetv2-small-112.md",
    ),
}
