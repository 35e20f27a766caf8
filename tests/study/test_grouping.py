"""Groupings: worth what the paper says, ranked by it, and found by merging where there are too many to look at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from unisono.study import grouping


def obvious(affinity: np.ndarray, groups: list[list[int]]) -> float:
    """Fifty et al. 2021, section 4, word for word."""
    total = 0.0
    for group in groups:
        for task in group:
            others = [other for other in group if other != task]
            total += sum(affinity[other, task] for other in others) / len(others) if others else 0.0
    return total


@pytest.mark.parametrize("seed", range(5))
def test_worth_is_the_mean_effect_of_the_others_summed_over_tasks(seed):
    affinity = np.random.default_rng(seed).normal(size=(5, 5))
    for groups in grouping.partitions(list(range(5))):
        assert grouping.worth(affinity, groups) == pytest.approx(obvious(affinity, groups))


@pytest.mark.parametrize("seed", range(5))
def test_between_ranks_all_but_the_two_ends(seed):
    affinity = np.random.default_rng(seed).normal(size=(4, 4))
    found = grouping.between(affinity, 100)
    assert len(found) == 15 - 2  # Bell's number of 4, less all in one and each alone
    values = [obvious(affinity, groups) for groups in found]
    assert values == sorted(values, reverse=True)
    assert grouping.between(affinity, 2) == found[:2]
    assert grouping.between(affinity[:2, :2], 5) == []  # of two tasks there is nothing between


@pytest.mark.parametrize("seed", range(3))
def test_merging_always_takes_the_pair_that_gains_most(seed):
    affinity = np.random.default_rng(seed).normal(size=(7, 7))
    steps = list(grouping.merged(affinity))
    assert steps[0] == [[task] for task in range(7)] and sorted(steps[-1][0]) == list(range(7))
    for before, after in pairwise(steps):
        assert len(after) == len(before) - 1
        possible = []
        for i in range(len(before)):
            for j in range(i + 1, len(before)):
                rest = [group for k, group in enumerate(before) if k not in (i, j)]
                possible.append(obvious(affinity, [*rest, before[i] + before[j]]))
        assert obvious(affinity, after) == pytest.approx(max(possible))


def test_very_many_tasks_are_grouped():
    draw = np.random.default_rng(1)
    friends = np.arange(60) % 3
    affinity = np.where(friends[:, None] == friends[None, :], 1.0, -1.0) + draw.normal(0, 0.1, (60, 60))
    found = grouping.best(affinity)
    assert all(len({friends[task] for task in group}) == 1 for group in found)
    assert grouping.worth(affinity, found) >= grouping.worth(affinity, [list(range(k, 60, 3)) for k in range(3)])
    assert len(grouping.between(affinity, 3)) == 3
