"""Search: which λ of a plain sum are tried, and for how long each. Successive halving, Jamieson & Talwalkar 2016.

A plain sum whose λ were tuned is what Xin et al. 2022 (https://arxiv.org/abs/2209.11379) and Kurin et al. 2022
(https://arxiv.org/abs/2201.04122) found no method to beat reliably.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 3  # steps before the first judgement: fewer show nothing
DESIGNS = 200  # Latin hypercubes to take the most even of


@dataclass(frozen=True)
class Candidate:
    """One plain sum.

    Args:
        weights: task -> λ. Their sum is that of the recipe's, so that steps stay of one size.
        rate: factor on the learning rates.
    """

    weights: Mapping[str, float]
    rate: float = 1.0

    def __str__(self) -> str:
        weights = " · ".join(f"{task} {weight:g}" for task, weight in self.weights.items())
        return weights if self.rate == 1.0 else f"{weights}, learning rates × {self.rate:.3g}"


def candidates(weights: Mapping[str, float], *, trials: int, span: float, rates: int, seed: int) -> list[Candidate]:
    """What is tried: the recipe's own λ first, then λ spread evenly about them on a logarithmic scale.

    Args:
        weights: task -> λ of the recipe; a task of 0 keeps it.
        trials: how many there are to be; fewer where there is nothing to vary.
        span: the largest factor by which the ratio of two tasks' λ is changed.
        rates: how many learning rates: 1 the recipe's, 2 also a third of it, 3 also three times, and so on.
    """
    free = [task for task, weight in weights.items() if weight > 0]
    factors = [3.0 ** ((-1) ** at * ((at + 1) // 2)) for at in range(rates)]  # 1, 1/3, 3, 1/9, 9
    if len(free) < 2:
        return [Candidate(dict(weights), factor) for factor in factors[:trials]]
    whole, out = sum(weights.values()), [Candidate(dict(weights), factor) for factor in factors[:trials]]
    spread = _spread(trials - len(out), len(free), seed)
    for at, point in enumerate(spread):
        moved = {task: weights[task] * span ** float(x) for task, x in zip(free, point, strict=True)}
        scale = whole / sum(moved.values())
        own = {task: float(f"{scale * moved.get(task, 0.0):.3g}") for task in weights}  # as a person would write it
        out.append(Candidate(own, factors[at % len(factors)]))
    return out


def rungs(steps: int, trials: int, cost: float) -> list[tuple[int, int]]:
    """(how many trials, steps after which they are judged) of each round: half as many go on twice as far.

    Args:
        steps: of the whole run.
        trials: how many begin; in a short run fewer, down to two, so that each has its least.
        cost: the share of the run's steps that all of them together may take.
    """
    while True:
        alive, rounds = trials, list[tuple[int, int]]()
        while alive > 1:
            rounds.append((alive, 2 ** len(rounds)))
            alive = math.ceil(alive / 2)
        first = int(cost * steps / spent(rounds)) if rounds else 0
        if first >= FEWEST or trials <= 2:
            return [(count, max(FEWEST, first) * part) for count, part in rounds]
        trials -= 1


def spent(plan: Sequence[tuple[int, int]]) -> int:
    """Steps of all trials together: those who go on do so from where they were judged."""
    before = [0, *(end for _, end in plan)]
    return sum(count * (end - start) for (count, end), start in zip(plan, before, strict=False))


def best(left: Mapping[int, float], count: int) -> list[int]:
    """The ``count`` trials with the least left to learn, best first; of equals the earlier."""
    return sorted(left, key=lambda number: (left[number], number))[:count]


def _spread(count: int, width: int, seed: int) -> np.ndarray:
    """(count, width) points in [-½, ½]: of many seeded Latin hypercubes the one whose points lie furthest apart.

    Moving all of a point's coordinates by the same amount changes no ratio, so distances are taken without that.
    """
    draw = np.random.default_rng([seed, count, width])
    found, apart = np.zeros((count, width)), -1.0
    for _ in range(DESIGNS if count else 0):
        rows = draw.permuted(np.tile(np.arange(count), (width, 1)), axis=1).T
        points = (rows + draw.random(rows.shape)) / count - 0.5
        ratios = np.concatenate([np.zeros((1, width)), points - points.mean(1, keepdims=True)])
        distances = np.linalg.norm(ratios[:, None] - ratios[None], axis=-1)
        least = float(distances[np.triu_indices(count + 1, 1)].min())
        if least > apart:
            found, apart = points, least
    return found
