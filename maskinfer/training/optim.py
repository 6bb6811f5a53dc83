"""What both trainings share of the optimiser: parameter groups, the average of the weights, bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn


def bfloat16_pays() -> bool:
    """Tell whether this processor calculates in bfloat16; where it does not, torch emulates it many times slower."""
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return an optimizer's groups of what is trained: biases and the scales of norms do not decay."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of a network's weights and statistics, which begins with those of now.

    ``update_parameters`` moves it towards the network, faster in the first steps: the decay of step n is at most
    n / (9 + n), so that the weights a training began with are soon forgotten.

    Args:
        model: that will be trained.
        decay: of the average; 0 for the network as it is.
    """

    def mix(averages: PARAM_LIST, values: PARAM_LIST, count: Tensor | int) -> None:
        if averages[0].is_floating_point():
            update = get_ema_multi_avg_fn(min(decay, int(count) / (9 + int(count))))  # type: ignore[no-untyped-call]
            update(averages, values, count)
        else:  # how many batches were seen
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)

    average = AveragedModel(model, multi_avg_fn=mix, use_buffers=True)
    count_steps(average, 0)
    return average


def count_steps(average: AveragedModel, steps: int) -> None:
    """Tell an average how many steps were taken; the weights before the first count as one more."""
    average.n_averaged.fill_(steps + 1)
