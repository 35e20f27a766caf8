"""grid: the tokens of a pack in a padded grid and back, for attention of one pack over another."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from unisono.packed import Layout


class Grid:
    """The places of a pack's tokens in a padded (B, L) grid, pads last."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.layout, self.even = layout, layout.total == layout.count * layout.longest
        self.mask: Tensor | None = None
        if self.even:
            return
        lengths = torch.tensor(layout.lengths, device=device)[:, None]
        column = torch.arange(layout.longest, device=device)
        self.into = (layout.starts(device)[:, None] + column.minimum(lengths - 1)).flatten()  # (B * L,)
        self.back = layout.segments(device) * layout.longest + layout.positions(device)  # (N,)
        self.mask = torch.zeros(layout.count, layout.longest, device=device)
        self.mask = self.mask.masked_fill_(column >= lengths, -math.inf)[:, None, None]

    def spread(self, packed: Tensor) -> Tensor:
        """(N, D) -> (B, L, D). What stands in the pads must not matter later: no gradient comes back from them."""
        padded = packed if self.even else _Spread.apply(packed, self.into, self.back)  # type: ignore[no-untyped-call]
        return padded.view(self.layout.count, self.layout.longest, -1)

    def gather(self, padded: Tensor) -> Tensor:
        """(B, L, D) -> (N, D)."""
        flat = padded.flatten(0, 1)
        if self.even:
            return flat
        packed: Tensor = _Gather.apply(flat, self.back)  # type: ignore[no-untyped-call]
        return packed


class _Spread(torch.autograd.Function):
    """``packed[into]``. Its backward reads one row per token instead of adding up rows, which is serial on a CPU."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, into: Tensor, back: Tensor) -> Tensor:
        ctx.back = back
        return packed.index_select(0, into)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0].index_select(0, ctx.back), None, None


class _Gather(torch.autograd.Function):
    """``padded[back]``, no row twice."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, back: Tensor) -> Tensor:
        ctx.back, ctx.rows = back, len(padded)
        return padded.index_select(0, back)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        out = grads[0].new_zeros(ctx.rows, *grads[0].shape[1:])
        out[ctx.back] = grads[0]
        return out, None
