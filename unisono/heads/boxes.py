"""boxes: overlap of boxes, for losses. A box is left, top, right, bottom."""

from __future__ import annotations

import torch
from torch import Tensor


def corners(sides: Tensor) -> Tensor:
    """(..., 4) distances from a point to the left, top, right and bottom of a box -> the box around that point."""
    return sides * sides.new_tensor([-1, -1, 1, 1])


def edges(boxes: Tensor) -> Tensor:
    """(..., 4) middle across, middle down, width, height -> left, top, right, bottom."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """(..., 4), (..., 4) -> (...): intersection over union, less the share of the hull that neither covers; -1 to 1.

    Rezatofighi et al. 2019 (https://arxiv.org/abs/1902.09630), algorithm 1.
    """
    both = _area(torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:]))
    hull = _area(torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])).clamp(min=1e-9)
    union = (_area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - both).clamp(min=1e-9)
    return both / union - (hull - union) / hull


def _area(start: Tensor, end: Tensor) -> Tensor:
    return (end - start).clamp(min=0).prod(-1)
