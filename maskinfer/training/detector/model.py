"""RetinaFace with a MobileNetV1-0.25 backbone.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", CVPR 2020; Howard et al., "MobileNets",
2017; the context modules are those of Najibi et al., "SSH: Single Stage Headless Face Detector", ICCV 2017. The
layers follow github.com/biubug6/Pytorch_Retinaface (MIT). Batch normalisation is folded into the convolutions: it
would be frozen in so short a training anyway, and so the network that is trained is the one that is exported.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

# Subtracted from blue, green and red.
MEAN_BGR = (104.0, 117.0, 123.0)
STRIDES = (8, 16, 32)
ANCHORS = ((16.0, 32.0), (64.0, 128.0), (256.0, 512.0))
VARIANCES = (0.1, 0.2)
SIZE_DIVISOR = 32
SLOPE = 0.1
CHANNELS = 64
VALUES = {"boxes": 4, "logits": 2, "landmarks": 10}
"""What is predicted of an anchor, and how many numbers that takes."""
_ANCHORS_PER_CELL = 2
_NAMES = ("weight", "bias")
_STAGES = (
    ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)),
    ((64, 128, 2), *((128, 128, 1),) * 5),
    ((128, 256, 2), (256, 256, 1)),
)


def _block(inputs: int, outputs: int, *, side: int = 3, stride: int = 1, active: bool = True) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, side, stride, side // 2)
    return nn.Sequential(convolution, nn.LeakyReLU(SLOPE)) if active else nn.Sequential(convolution)


class _Depthwise(nn.Conv2d):
    """A depthwise 3x3 convolution; backwards in bfloat16, torch takes ten times as long for it as in float32."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(channels, channels, 3, stride, 1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, in float32 even where automatic mixed precision is on."""
        if not (self.weight.requires_grad and torch.is_autocast_enabled("cpu")):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


def _separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    depthwise = _Depthwise(inputs, stride) if stride > 1 else nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs)
    return nn.Sequential(depthwise, nn.LeakyReLU(SLOPE), nn.Conv2d(inputs, outputs, 1), nn.LeakyReLU(SLOPE))


class _Context(nn.Module):
    """SSH's context module: fields of view of 3, 5 and 7 cells side by side."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter = CHANNELS // 2, CHANNELS // 4
        self.three = _block(CHANNELS, half, active=False)
        self.shared = _block(CHANNELS, quarter)
        self.five = _block(quarter, quarter, active=False)
        self.seven = nn.Sequential(_block(quarter, quarter), _block(quarter, quarter, active=False))

    def forward(self, x: Tensor) -> Tensor:
        # Side by side in one convolution: backwards in bfloat16, that of few outputs takes torch six times as long.
        weight, bias = (torch.cat((self.three[0].get_parameter(n), self.shared[0].get_parameter(n))) for n in _NAMES)
        three, shared = torch.split(conv2d(x, weight, bias, padding=1), [CHANNELS // 2, CHANNELS // 4], 1)
        shared = self.shared[1](shared)
        return torch.relu(torch.cat((three, self.five(shared), self.seven(shared)), 1))


class _Pyramid(nn.Module):
    """Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.middle, self.coarse = (_block(inputs, CHANNELS, side=1) for inputs in (64, 128, 256))
        self.merge_middle, self.merge_fine = _block(CHANNELS, CHANNELS), _block(CHANNELS, CHANNELS)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        coarse = self.coarse(coarse)
        middle = self.merge_middle(self.middle(middle) + interpolate(coarse, scale_factor=2.0))
        fine = self.merge_fine(self.fine(fine) + interpolate(middle, scale_factor=2.0))
        return fine, middle, coarse


class RetinaFace(nn.Module):
    """The detector: float32 (N, 3, H, W), BGR less its mean, H and W multiples of 32, in; raw predictions out.

    These are, of A anchors in the order of ``engine.retinaface.anchor_grid``: encoded boxes (N, A, 4), logits of
    background and face (N, A, 2), encoded landmarks (N, A, 10).
    """

    def __init__(self) -> None:
        super().__init__()
        stem = _block(3, 8, stride=2)
        first, second, third = ([_separable(*sizes) for sizes in stage] for stage in _STAGES)
        self.stage1, self.stage2, self.stage3 = (nn.Sequential(*s) for s in ([stem, *first], second, third))
        self.pyramid = _Pyramid()
        self.contexts = nn.ModuleList(_Context() for _ in STRIDES)
        # In the order in which published graphs hold them.
        self.logits, self.boxes, self.landmarks = (_head(VALUES[name]) for name in ("logits", "boxes", "landmarks"))

    def features(self, x: Tensor) -> list[Tensor]:
        """Return what the heads see: (N, 64, H / stride, W / stride) of each stride."""
        fine = self.stage1(x)
        middle = self.stage2(fine)
        levels = self.pyramid(fine, middle, self.stage3(middle))
        return [context(level) for context, level in zip(self.contexts, levels, strict=True)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, logits and landmarks."""
        features = self.features(x)
        boxes, logits, landmarks = (
            flat([convolution(level) for convolution, level in zip(head, features, strict=True)], VALUES[name])
            for name, head in (("boxes", self.boxes), ("logits", self.logits), ("landmarks", self.landmarks))
        )
        return boxes, logits, landmarks


def _head(values: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(CHANNELS, _ANCHORS_PER_CELL * values, 1) for _ in STRIDES)


def flat(maps: list[Tensor], values: int) -> Tensor:
    """Return (N, A, values) for maps (N, anchors a cell * values, rows, columns), one for each stride."""
    rows = torch.cat([level.permute(0, 2, 3, 1).flatten(1) for level in maps], 1)
    return rows.reshape(rows.shape[0], -1, values)


def freeze(model: RetinaFace, blocks: int) -> None:
    """Keep the weights of the first blocks as they are: those at high resolution, half of the time to train."""
    for block in [*model.stage1, *model.stage2, *model.stage3][:blocks]:
        block.requires_grad_(False)


def to_detector_input(bgr: Tensor) -> Tensor:
    """Return float32 (N, 3, H, W), BGR less its mean, for uint8 (N, H, W, 3), BGR."""
    mean = torch.tensor(MEAN_BGR, device=bgr.device).view(1, 3, 1, 1)
    return (bgr.permute(0, 3, 1, 2).float() - mean).contiguous(memory_format=torch.channels_last)
