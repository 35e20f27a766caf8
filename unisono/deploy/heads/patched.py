"""patched: the patches of images of several sizes in one grid of patches, for heads that read them as they lie."""

from __future__ import annotations

import torch
from torch import Tensor

from unisono.heads import Targets
from unisono.packed import Layout
from unisono.runtime.patches import laid_out


def patches(layout: Layout, targets: Targets) -> Tensor:
    """(B, H, W) the token at each patch of each image, N beyond the edges of the smaller ones."""
    starts = layout.starts(torch.device("cpu")).numpy()
    return torch.from_numpy(laid_out(starts, targets["grid"].numpy(), layout.total))


def spread(states: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """(N, D) and an index (B, H, W) -> (B, H, W, D), 0 where there is no patch, and (B, H, W) whether there is one."""
    total = states.shape[0]
    real = index < total
    values = states.index_select(0, index.clamp(max=total - 1).flatten()).unflatten(0, index.shape)
    return values * real[..., None], real
