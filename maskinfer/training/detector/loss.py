"""The losses: focal for what is a face, smooth L1 for where it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from maskinfer.training.detector.recipe import DetectorRecipe
from maskinfer.training.detector.targets import FACE, IGNORED, Targets

FOCUS = 2.0
FACE_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Losses:
    """The parts of a step's loss, each a scalar tensor."""

    faces: Tensor
    boxes: Tensor
    landmarks: Tensor

    def total(self, recipe: DetectorRecipe) -> Tensor:
        """Return the sum that is minimised."""
        return self.faces + recipe.box_weight * self.boxes + recipe.landmark_weight * self.landmarks


def measure_losses(predicted: tuple[Tensor, Tensor, Tensor], targets: Targets) -> Losses:
    """Return the losses of a batch.

    Args:
        predicted: the network's boxes (N, A, 4), logits (N, A, 2), landmarks (N, A, 10).
        targets: what the anchors have to learn.
    """
    boxes, logits, landmarks = (values.float() for values in predicted)
    device = boxes.device
    kinds = torch.from_numpy(targets.kinds).to(device)
    is_face = kinds == FACE
    count = is_face.sum().clamp(min=1)
    points = torch.from_numpy(targets.landmarks).to(device)
    known = ~points.isnan().any(1)
    return Losses(
        focal_loss(logits[..., 1] - logits[..., 0], kinds) / count,
        smooth_l1_loss(boxes[is_face], torch.from_numpy(targets.boxes).to(device), reduction="sum") / count / 4,
        smooth_l1_loss(landmarks[is_face][known], points[known], reduction="sum") / known.sum().clamp(min=1) / 10,
    )


def focal_loss(margin: Tensor, kinds: Tensor) -> Tensor:
    """Return the summed focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017).

    Args:
        margin: (N, A), the logit of a face less that of background.
        kinds: (N, A); ignored anchors count for nothing.
    """
    truth = (kinds == FACE).float()
    entropy = binary_cross_entropy_with_logits(margin, truth, reduction="none")
    wrong = 1 - torch.exp(-entropy)
    share = truth * FACE_SHARE + (1 - truth) * (1 - FACE_SHARE)
    return (share * wrong**FOCUS * entropy)[kinds != IGNORED].sum()
