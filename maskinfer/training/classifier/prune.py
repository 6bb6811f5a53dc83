"""A narrower MobileNetV2 that begins with the channels of a wider one that matter most.

Channels are ranked by the size of the batch norm's scale, as in "Learning Efficient Convolutional Networks through
Network Slimming" (Liu et al., ICCV 2017). Blocks that add their input to their output share one choice of channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def slim(wide: Any, narrow: Any) -> None:
    """Copy the features of a wide MobileNetV2 into a narrow one, channel by channel, in place.

    Args:
        wide: torchvision's MobileNetV2.
        narrow: the same at a smaller width.
    """
    kept = _best([wide.features[0][1]], narrow.features[0][1].num_features)
    _copy_conv(wide.features[0][0], narrow.features[0][0], kept, torch.arange(3))
    _copy_norm(wide.features[0][1], narrow.features[0][1], kept)
    blocks = list(zip(wide.features[1:-1], narrow.features[1:-1], strict=True))
    for i, (block, small) in enumerate(blocks):
        if not block.use_res_connect:
            group = [block, *_followers([pair[0] for pair in blocks[i + 1 :]])]
            out = _best([member.conv[-1] for member in group], small.conv[-1].num_features)
        _copy_block(block, small, kept, out)
        kept = out
    last = _best([wide.features[-1][1]], narrow.features[-1][1].num_features)
    _copy_conv(wide.features[-1][0], narrow.features[-1][0], last, kept)
    _copy_norm(wide.features[-1][1], narrow.features[-1][1], last)


def _followers(blocks: list[Any]) -> list[Any]:
    """Return the leading blocks that add their input to their output."""
    ends = [i for i, block in enumerate(blocks) if not block.use_res_connect]
    return blocks[: ends[0]] if ends else blocks


def _best(norms: list[nn.BatchNorm2d], count: int) -> Tensor:
    """Return the indices of the channels with the largest scales, in their order."""
    scales = torch.stack([norm.weight.detach().abs() for norm in norms]).sum(0)
    return scales.topk(count).indices.sort().values


def _copy_block(block: Any, small: Any, inputs: Tensor, outputs: Tensor) -> None:
    hidden = inputs
    if len(block.conv) == 4:
        hidden = _best([block.conv[0][1]], small.conv[0][1].num_features)
        _copy_conv(block.conv[0][0], small.conv[0][0], hidden, inputs)
        _copy_norm(block.conv[0][1], small.conv[0][1], hidden)
    _copy_conv(block.conv[-3][0], small.conv[-3][0], hidden, torch.arange(1))
    _copy_norm(block.conv[-3][1], small.conv[-3][1], hidden)
    _copy_conv(block.conv[-2], small.conv[-2], outputs, hidden)
    _copy_norm(block.conv[-1], small.conv[-1], outputs)


def _copy_conv(wide: nn.Conv2d, narrow: nn.Conv2d, outputs: Tensor, inputs: Tensor) -> None:
    with torch.no_grad():
        narrow.weight.copy_(wide.weight[outputs][:, inputs])


def _copy_norm(wide: nn.BatchNorm2d, narrow: nn.BatchNorm2d, channels: Tensor) -> None:
    with torch.no_grad():
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(narrow, name).copy_(getattr(wide, name)[channels])
