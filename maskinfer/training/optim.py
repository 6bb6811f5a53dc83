"""What both trainings share of the optimiser: parameter groups and bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


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
