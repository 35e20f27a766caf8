"""Grouping: which tasks to learn together, from how each one's steps change the others' losses.

Fifty et al. 2021 (TAG, https://arxiv.org/abs/2109.04617), section 4: the affinity onto a task in a group is the mean
over the others of the group, and the groups together should have the most of it. A task alone has none: it is worth 0.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np

EXACT = 10  # tasks up to which every partition is looked at: 115,975 of ten

Partition = list[list[int]]


def worth(affinity: np.ndarray, groups: Sequence[Sequence[int]]) -> float:
    """The affinity of a partition: the sum over tasks of the mean effect of the others in its group.

    Args:
        affinity: (T, T), row i: a step on i, column j: by which share the loss of j falls.
    """
    total = 0.0
    for group in groups:
        if len(group) > 1:
            block = affinity[np.ix_(group, group)]
            total += float(block.sum() - block.trace()) / (len(group) - 1)
    return total


def best(affinity: np.ndarray) -> Partition:
    """The partition worth most: found exactly up to ten tasks, above the best of those that ``merged`` gives."""
    return max(_candidates(affinity), key=lambda groups: worth(affinity, groups))


def between(affinity: np.ndarray, most: int) -> list[Partition]:
    """The partitions worth most, the best first, but for all tasks in one group and each alone: at most so many."""
    count = len(affinity)
    found = (groups for groups in _candidates(affinity) if 1 < len(groups) < count)
    return heapq.nlargest(most, found, key=lambda groups: worth(affinity, groups))


def partitions(tasks: list[int]) -> Iterator[Partition]:
    """Every way to put tasks into groups, fewest groups first among equals found later."""
    if not tasks:
        yield []
        return
    first, *rest = tasks
    for smaller in partitions(rest):
        for at, group in enumerate(smaller):
            yield [*smaller[:at], [first, *group], *smaller[at + 1 :]]
        yield [[first], *smaller]


def merged(affinity: np.ndarray) -> Iterator[Partition]:
    """From each task alone to one group of all, by merging the pair of groups that gains most (or loses least)."""
    groups = [[task] for task in range(len(affinity))]
    effects = affinity - np.diag(np.diag(affinity))  # (G, G), the sum of effects from group to group
    yield groups
    while len(groups) > 1:
        sizes = np.array([len(group) for group in groups])
        own = effects.diagonal()
        now = own / np.maximum(sizes - 1, 1)
        together = own[:, None] + own[None, :] + effects + effects.T
        gains = together / (sizes[:, None] + sizes[None, :] - 1) - now[:, None] - now[None, :]
        gains[np.tril_indices(len(groups))] = -np.inf
        i, j = (int(at) for at in np.unravel_index(gains.argmax(), gains.shape))
        effects[i] += effects[j]
        effects[:, i] += effects[:, j]
        effects = np.delete(np.delete(effects, j, 0), j, 1)
        groups = [sorted(group + groups[j]) if k == i else group for k, group in enumerate(groups) if k != j]
        yield groups


def _candidates(affinity: np.ndarray) -> Iterator[Partition]:
    count = len(affinity)
    return partitions(list(range(count))) if count <= EXACT else merged(affinity)
