"""Grouping: which tasks to learn together, from how each one's steps change the others' losses.

Fifty et al. 2021 (TAG, https://arxiv.org/abs/2109.04617), section 4: the affinity onto a task in a group is the mean
over the others of the group, and the groups together should have the most of it. A task alone has none: it is worth 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

EXACT = 10  # tasks up to which every partition is looked at: 115,975 of ten


def worth(affinity: np.ndarray, groups: Sequence[Sequence[int]]) -> float:
    """The affinity of a partition: the sum over tasks of the mean effect of the others in its group.

    Args:
        affinity: (T, T), row i: a step on i, column j: by which share the loss of j falls.
    """
    total = 0.0
    for group in groups:
        for task in group:
            others = [other for other in group if other != task]
            if others:
                total += float(np.mean([affinity[other, task] for other in others]))
    return total


def best(affinity: np.ndarray) -> list[list[int]]:
    """The partition worth most: found exactly up to ten tasks, above by merging the pair of groups that gains most."""
    count = len(affinity)
    if count <= EXACT:
        return max(partitions(list(range(count))), key=lambda groups: worth(affinity, groups))
    groups = [[task] for task in range(count)]
    while True:
        gains = [
            (worth(affinity, [one + other]) - worth(affinity, [one, other]), i, j)
            for i, one in enumerate(groups)
            for j, other in enumerate(groups)
            if i < j
        ]
        gain, i, j = max(gains, default=(0.0, 0, 0))
        if gain <= 0:
            return groups
        merged = sorted(groups[i] + groups[j])
        groups = sorted([g for k, g in enumerate(groups) if k not in (i, j)] + [merged])


def partitions(tasks: list[int]) -> Iterator[list[list[int]]]:
    """Every way to put tasks into groups, fewest groups first among equals found later."""
    if not tasks:
        yield []
        return
    first, *rest = tasks
    for smaller in partitions(rest):
        for at, group in enumerate(smaller):
            yield [*smaller[:at], [first, *group], *smaller[at + 1 :]]
        yield [[first], *smaller]
