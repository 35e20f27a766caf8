"""matching: which guess stands for which object, so that all together cost least. Kuhn 1955, by SciPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Pairs(NamedTuple):
    """Pairs of a guess and an object, (P,) int64 each."""

    problem: Tensor
    guess: Tensor
    thing: Tensor


def match(cost: Tensor, counts: Sequence[int]) -> Pairs:
    """The cheapest matching of each of R problems: min(Q, n) pairs, no guess and no object twice.

    Args:
        cost: (R, Q, n_max) of each guess for each object.
        counts: R numbers n of objects; what stands behind them is not looked at.
    """
    from scipy.optimize import linear_sum_assignment

    # Where training has run into NaN any pairs will do: the loss of them will say so.
    costs = cost.detach().float().nan_to_num(nan=0.0, posinf=1e9, neginf=-1e9).cpu().numpy()
    found: list[np.ndarray] = [np.zeros((3, 0), np.int64)]
    for problem, count in enumerate(counts):
        if count:
            guesses, things = linear_sum_assignment(costs[problem, :, :count])
            found.append(np.stack([np.full(len(guesses), problem), guesses, things]))
    return Pairs(*torch.from_numpy(np.concatenate(found, 1)).to(cost.device))
