"""Difference: Δm, what learning together changed in percent of what each task reaches alone, with a bootstrap interval.

Δm = 1/T Σ (-1)^l (M_m,i - M_b,i) / M_b,i, with l = 1 where less is better: Maninis et al. 2019
(https://arxiv.org/abs/1904.08918); Vandenhende et al. 2021 (https://arxiv.org/abs/2004.13379).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unisono.study.resample import Scorer

LEVEL = 0.95
RESAMPLES = 200


@dataclass(frozen=True)
class Sample:
    """One run's held-out rows of one task.

    Args:
        score: chosen rows -> the task's main metric over them.
        rows: how many rows there are.
        key: the same for the same rows, whichever task or run they are of: they are then drawn alike.
    """

    score: Scorer
    rows: int
    key: str


@dataclass(frozen=True)
class Pairs:
    """One task, learned together with others and alone, once for each of K seeds.

    Args:
        together: a sample for each seed. ``alone``: likewise, over the same rows.
        higher: whether a higher score is better.
    """

    together: Sequence[Sample]
    alone: Sequence[Sample]
    higher: bool = True


@dataclass(frozen=True)
class Interval:
    """An estimate in percent, and the interval that holds the truth ``LEVEL`` of the time."""

    mean: float
    low: float
    high: float


def relative(together: float, alone: float, *, higher: bool = True) -> float:
    """The change in percent, positive where together is better; NaN where alone is 0 and percent mean nothing."""
    if alone == 0:
        return math.nan
    return 100.0 * (together - alone) / abs(alone) * (1 if higher else -1)


def delta_m(differences: Sequence[float]) -> float:
    """The mean over the tasks, in percent; tasks without a difference are left out. NaN if there are none."""
    known = [value for value in differences if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def differences(
    pairs: Mapping[str, Pairs], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[dict[str, Interval], Interval]:
    """Each task's difference, between the means over seeds, and Δm.

    The intervals are percentiles of a bootstrap over both sources of chance, as both are crossed (Owen 2007,
    https://doi.org/10.1214/07-AOAS122): seeds are drawn anew, the same ones for together and alone and for all tasks,
    and so are held-out rows, the same ones for all runs over them. Few seeds drawn from themselves differ too little;
    what their draw changes is therefore widened as in an expanded percentile interval (Hesterberg 2015,
    https://doi.org/10.1080/00031305.2015.1089789).

    Args:
        resamples: how many times. ``seed``: of the draws.
    """
    count = len(next(iter(pairs.values())).together)
    everyone = np.arange(count)
    observed = _scores(pairs, lambda sample: np.arange(sample.rows))
    found = _changes(observed, pairs, everyone)
    generator, wider = np.random.default_rng([seed, 11]), _widening(count)
    again: dict[str, list[float]] = {task: [] for task in pairs}
    means = []
    for _ in range(resamples):
        chosen = generator.integers(count, size=count)
        drawn: dict[str, np.ndarray] = {}

        def draw(sample: Sample, drawn: dict[str, np.ndarray] = drawn) -> np.ndarray:
            if sample.key not in drawn:
                drawn[sample.key] = generator.integers(sample.rows, size=sample.rows)
            return drawn[sample.key]

        # Each source of chance by itself: drawing seeds over drawn rows would count what both share twice.
        other_rows, other_seeds = _changes(_scores(pairs, draw), pairs, everyone), _changes(observed, pairs, chosen)
        changes = {task: other_rows[task] + wider * (other_seeds[task] - found[task]) for task in pairs}
        means.append(delta_m(list(changes.values())))
        for task, value in changes.items():
            again[task].append(value)
    each = {task: _interval(found[task], again[task]) for task in pairs}
    return each, _interval(delta_m(list(found.values())), means)


def _widening(seeds: int) -> float:
    """How much too narrow a normal interval from so many draws is: √(n / (n - 1)) t / z."""
    if seeds < 2:
        return 1.0
    from scipy.stats import norm, t

    tail = 0.5 + LEVEL / 2
    return float(math.sqrt(seeds / (seeds - 1)) * t.ppf(tail, seeds - 1) / norm.ppf(tail))


Scores = dict[str, tuple[np.ndarray, np.ndarray]]  # task -> (K,) scores of the seeds, together and alone


def _scores(pairs: Mapping[str, Pairs], draw: Callable[[Sample], np.ndarray]) -> Scores:
    """The scores of all runs over some rows."""
    return {
        task: (
            np.array([sample.score(draw(sample)) for sample in pair.together]),
            np.array([sample.score(draw(sample)) for sample in pair.alone]),
        )
        for task, pair in pairs.items()
    }


def _changes(scores: Scores, pairs: Mapping[str, Pairs], seeds: np.ndarray) -> dict[str, float]:
    """Task -> its difference between the means over some seeds."""
    return {
        task: relative(float(together[seeds].mean()), float(alone[seeds].mean()), higher=pairs[task].higher)
        for task, (together, alone) in scores.items()
    }


def _interval(mean: float, again: Sequence[float]) -> Interval:
    known = [value for value in again if math.isfinite(value)]
    if not known:
        return Interval(mean, math.nan, math.nan)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(known, [tail, 100 - tail])
    return Interval(mean, float(low), float(high))
