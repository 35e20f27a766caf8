"""queries: learned queries that share out what a pack's states hold. The decoder of DETR, Carion et al. 2020.

As there (https://arxiv.org/abs/2005.12872, figure 10): all queries are decoded at once, look at one another and at the
states, and are added to the input of every attention; so are the places of the states to its keys. Layers are pre-norm
(``normalize_before`` in the authors' code). The dense layers see real states only; attention alone pads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads.grid import Grid
from unisono.packed import Packed


class Queries(nn.Module):
    """The states of B sequences to B times Q answers, after each layer.

    Args:
        count: Q.
        width: D, of the states and of the answers.
        layers, heads, feedforward: as usual; ``heads`` divides ``width``.
        dropout: on each residual branch.
    """

    def __init__(
        self, count: int, *, width: int, layers: int, heads: int, feedforward: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} cannot be split into {heads} heads; choose a divisor of {width}")
        self.vectors = nn.Parameter(torch.randn(count, width))
        self.layers = nn.ModuleList(_Layer(width, heads, feedforward, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, states: Packed, places: Tensor) -> Tensor:
        """(layers, B, Q, D).

        Args:
            states: (N, D). ``places``: (N, D), added to the keys.
        """
        dtype = self.vectors.dtype
        values, keys = states.values.to(dtype), (states.values + places).to(dtype)
        return self.over(states.layout.count, keys, values, Grid(states.layout, states.device))

    def over(self, count: int, keys: Tensor, values: Tensor, grid: Any) -> Tensor:
        """(layers, B, Q, D), of B sequences.

        Args:
            keys, values: (N, D). ``grid``: by ``spread`` lays them out as (B, L, D), of which ``mask`` hides the pads.
        """
        queries = self.vectors.expand(count, -1, -1)  # (B, Q, D)
        x, out = torch.zeros_like(queries), []
        for layer in self.layers:
            x = cast(_Layer, layer)(x, queries, keys, values, grid)
            out.append(self.norm(x))
        return torch.stack(out)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_own, self.norm_ask, self.norm_up = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.own_qk, self.own_v, self.own_out = (nn.Linear(width, n * width) for n in (2, 1, 1))  # over one another
        self.ask_q, self.ask_k, self.ask_v, self.ask_out = (nn.Linear(width, width) for _ in range(4))  # over states
        self.up, self.down = nn.Linear(width, feedforward), nn.Linear(feedforward, width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, queries: Tensor, keys: Tensor, values: Tensor, grid: Any) -> Tensor:
        """x and queries (B, Q, D), keys and values (N, D) -> (B, Q, D)."""
        own = self.norm_own(x)
        q, k = self.own_qk(own + queries).chunk(2, -1)
        x = x + self.drop(self.own_out(self._look(q, k, self.own_v(own), None)))
        q = self.ask_q(self.norm_ask(x) + queries)
        k, v = grid.spread(self.ask_k(keys)), grid.spread(self.ask_v(values))  # (B, L, D)
        mask = None if grid.mask is None else grid.mask.to(q.dtype)
        x = x + self.drop(self.ask_out(self._look(q, k, v, mask)))
        out: Tensor = x + self.drop(self.down(F.relu(self.up(self.norm_up(x)), inplace=True)))
        return out

    def _look(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """(B, Q, D) over (B, L, D) -> (B, Q, D)."""
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))  # (B, H, ., K)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def places(grids: Sequence[tuple[int, int]], width: int) -> Tensor:
    """(N, D) float32 sine places of the patches of images, each h x w patches row by row, the image one turn wide.

    As PositionEmbeddingSine in the authors' code: the first half of D says how far down, the other how far across.
    """
    half, out = (width + 1) // 2, []
    for down, across in grids:
        y, x = (waves((torch.arange(count) + 0.5) / count, half) for count in (down, across))
        both = y[:, None].expand(-1, across, -1), x[None].expand(down, -1, -1)
        out.append(torch.cat(both, -1).flatten(0, 1)[:, :width])
    return torch.cat(out)


def waves(share: Tensor, width: int) -> Tensor:
    """(...) how far along a side of the image, from 0 to 1 -> (..., width) sines and cosines."""
    rate = 10000 ** (-torch.arange((width + 1) // 2) * 2 / width)
    angle = share[..., None] * 2 * math.pi * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)[..., :width]
