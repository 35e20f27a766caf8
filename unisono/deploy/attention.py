"""Attention over a pack inside an exported graph: queries, keys and values laid out as a grid, and back.

``unisono_packed`` cuts a pack by Python numbers, which a graph for any lengths cannot hold. This function does the same
with two index tensors that are inputs of the graph. Dense layers still see real tokens only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

from unisono.trunk import Trunk, refuse_unknown

NAME = "unisono_grid"
HIDDEN = -1e30  # a score that no softmax gives a share; unlike -inf it survives a row of nothing else, and float16


class Grid(NamedTuple):
    """Where the N tokens of a pack stand in a grid of B sequences of L places.

    Args:
        rows: (B, L) int64, the token at each place; at a place without one, any token.
        place: (N,) int64, b * L + l of each token.
        bias: (B, 1, 1, L), 0 where a place has a token, ``HIDDEN`` where it has none.
    """

    rows: Tensor
    place: Tensor
    bias: Tensor

    @classmethod
    def of(cls, grid: Tensor, place: Tensor) -> Grid:
        """``grid`` (B, L): the token at each place, N where there is none."""
        total = place.shape[0]
        empty = (grid == total)[:, None, None]  # (B, 1, 1, L)
        return cls(grid.clamp(max=total - 1), place, torch.where(empty, HIDDEN, 0.0))

    def spread(self, values: Tensor) -> Tensor:
        """(N, H, K) -> (B, H, L, K). At a place without a token stands another's, which the bias hides."""
        heads = values.shape[1:]
        flat = values.flatten(1).index_select(0, self.rows.flatten())
        return flat.view(*self.rows.shape, *heads).transpose(1, 2)

    def gather(self, spread: Tensor) -> Tensor:
        """(B, H, L, K) -> (N, H, K)."""
        heads = (spread.shape[1], spread.shape[3])
        flat = spread.transpose(1, 2).flatten(2).flatten(0, 1)  # (B * L, H * K)
        return flat.index_select(0, self.place).view(-1, *heads)


def grid_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    *,
    grid: Grid,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What ``unisono.trunk.attention.packed_attention`` gives, for inference; arguments as there but for ``grid``."""
    refuse_unknown(attention_mask, others)
    if is_causal is None:
        is_causal = bool(getattr(module, "is_causal", False))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (x.transpose(1, 2)[0] for x in (query, key, value))  # (N, H, K) each
    q, k, v = (grid.spread(x) for x in (q * scale, k, v))  # (B, H, L, K) each
    if k.shape[1] != q.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scores = q @ k.transpose(2, 3) + grid.bias  # (B, H, L, L)
    if is_causal or sliding_window is not None:
        at = torch.arange(scores.shape[-1])
        distance = at[:, None] - at[None]
        seen = distance >= 0 if is_causal else distance == distance
        seen = seen if sliding_window is None else seen & (distance.abs() < sliding_window)
        scores = torch.where(seen, scores, HIDDEN)
    return grid.gather(scores.softmax(-1) @ v)[None], None


@contextmanager
def on_a_grid(trunk: Trunk) -> Iterator[None]:
    """While it lasts, the trunk's encoder attends over the grid that it is called with."""
    usual = trunk.encoder.config._attn_implementation
    trunk.encoder.set_attn_implementation(NAME)
    try:
        yield
    finally:
        trunk.encoder.set_attn_implementation(usual)


def _no_mask(*_: Any, **__: Any) -> None:
    """A pack has no padding to mask; places without a token are hidden by the grid."""


AttentionInterface.register(NAME, grid_attention)
AttentionMaskInterface.register(NAME, _no_mask)
