"""r_drop: the two answers to a row that is seen twice, under dropout that was drawn twice, are held to each other.

R-Drop, Liang et al. 2021 (https://arxiv.org/abs/2106.14448): L = -log P1(y) - log P2(y) + α/2 (KL(P1 ‖ P2) +
KL(P2 ‖ P1)); for numbers the squared difference stands for the divergence. The sum is L, over two units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unisono.heads.base import Targets

TWICE = "twice"  # field of an example that follows its own copy


def seen_twice(examples: Sequence[Mapping[str, np.ndarray] | None]) -> list[Mapping[str, np.ndarray] | None]:
    """Every example, and right behind it the same again: sorted by length they stay side by side. None stays None."""
    mark = np.ones(1, np.int32)
    return [one for e in examples for one in (e, None if e is None else {**e, TWICE: mark})]


def marked(examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
    """Says in a batch's targets that its rows are there twice."""
    return {TWICE: torch.ones(())} if any(TWICE in e for e in examples) else {}


def between_classes(logits: Tensor) -> Tensor:
    """(KL(P1 ‖ P2) + KL(P2 ‖ P1)) / 2 of neighbours: (2B, V) -> (B,)."""
    one, two = (part.log_softmax(-1) for part in (logits[0::2], logits[1::2]))
    there, back = (F.kl_div(a, b, log_target=True, reduction="none").sum(-1) for a, b in ((one, two), (two, one)))
    return (there + back) / 2


def between_labels(logits: Tensor) -> Tensor:
    """The same for independent labels, each a sigmoid: (2B, V) -> (B, V)."""
    return between_classes(torch.stack([logits, torch.zeros_like(logits)], dim=-1))


def between_numbers(values: Tensor) -> Tensor:
    """(2B,) -> (B,) the squared difference of neighbours."""
    return F.mse_loss(values[0::2], values[1::2], reduction="none")
