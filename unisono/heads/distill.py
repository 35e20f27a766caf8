"""distill: how far a head is from a teacher, so that a task that is no longer taught keeps what it can.

Softened outputs of a copy made when the task was done stand for labels: learning without forgetting (Li & Hoiem 2017,
https://arxiv.org/abs/1606.09282, section 3), after Hinton et al. 2015 (https://arxiv.org/abs/1503.02531, section 2).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

TEMPERATURE = 2.0  # of Li & Hoiem, where nothing else is asked for
_AT_ONCE = 1 << 22  # logits in memory at a time


def soft_classes(logits: Tensor, taught: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """T² KL(teacher ‖ student) of softmax(logits / T): (M, V) and (M, V) -> (M,). 0 where both say the same."""
    ours, theirs = ((x.float() / temperature).log_softmax(-1) for x in (logits, taught))
    return F.kl_div(ours, theirs, log_target=True, reduction="none").sum(-1) * temperature**2


def soft_labels(logits: Tensor, taught: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """The same for independent labels, each a sigmoid: (B, V) and (B, V) -> (B, V)."""
    pairs = (torch.stack([x, torch.zeros_like(x)], dim=-1) for x in (logits, taught))
    ours, theirs = pairs
    return soft_classes(ours, theirs, temperature)


def soft_tokens(
    hidden: Tensor, vectors: Tensor, taught: Tensor, taught_vectors: Tensor, temperature: float = TEMPERATURE
) -> Tensor:
    """The sum of ``soft_classes(hidden @ vectors.T, taught @ taught_vectors.T)``, a few hundred tokens at a time.

    Args:
        hidden: (M, D). ``vectors``: (V, D), one per vocabulary entry.
        taught: (M, D') of the teacher. ``taught_vectors``: (V, D').
    """
    rows = max(16, _AT_ONCE // len(vectors))
    total = hidden.new_zeros((), dtype=torch.float32)
    for ours, theirs in zip(hidden.split(rows), taught.split(rows), strict=True):
        # Logits are made again in the backward pass: M times V of them would not fit.
        piece: Tensor = checkpoint(
            _soft_piece, ours, vectors, theirs, taught_vectors, temperature,
            use_reentrant=False, preserve_rng_state=False,
        )  # fmt: skip
        total = total + piece
    return total


def _soft_piece(ours: Tensor, vectors: Tensor, theirs: Tensor, taught_vectors: Tensor, temperature: float) -> Tensor:
    return soft_classes(ours @ vectors.t(), theirs @ taught_vectors.t(), temperature).sum()
