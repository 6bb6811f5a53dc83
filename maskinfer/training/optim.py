"""What the trainings share: the device, bfloat16, parameter groups, and the average of the weights."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn

from maskinfer.engine.errors import RequestError

DeviceName = Literal["auto", "cpu", "cuda"]


def training_device(name: DeviceName) -> torch.device:
    """Return where to train: ``auto`` is an NVIDIA GPU where PyTorch finds one, and otherwise the processor.

    Raises:
        RequestError: ``cuda`` is asked for and there is none.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RequestError(
            f"PyTorch {torch.__version__} finds no CUDA device: install a build for your GPU, see pytorch.org, "
            "or train with --device cpu"
        )
    return torch.device("cuda")


def device_of(model: nn.Module) -> torch.device:
    """Return where a network's weights lie."""
    return next(model.parameters()).device


def reduced_precision(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which a network calculates in bfloat16, where that is faster."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or bfloat16_pays())


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
