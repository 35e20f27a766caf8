"""Readout: from states to a few numbers. One vector per sequence (pool), then a small perceptron."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.packed import Packed

Pool = Literal["first", "mean"]


def pool(states: Packed, how: Pool) -> Tensor:
    """(N, D) -> (B, D): the state of each sequence's first token (Devlin et al. 2019), or the mean over its tokens.

    The mean is taken in float32: half precision loses a long sum.
    """
    return states.first() if how == "first" else states.like(states.values.float()).mean()


class Readout(nn.Module):
    """(..., D) in any floating type -> (..., outputs) in float32.

    Args:
        width: D.
        outputs: how many numbers per vector.
        layers: hidden layers; 0 is a linear map.
        hidden: their width; None is D.
        dropout: before every linear map.
    """

    def __init__(self, width: int, outputs: int, *, layers: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        widths = [width] + [hidden or width] * layers
        steps: list[nn.Module] = []
        for before, after in pairwise(widths):
            steps += [Dropout(dropout), nn.Linear(before, after), nn.GELU()]
        self.hidden = nn.Sequential(*steps, Dropout(dropout))
        self.last = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.hidden(x.to(self.last.weight.dtype)))  # (..., D) -> (..., outputs)
        return out.float()
