"""leaving: rows that are sure of their answer between the trunk's layers go no further.

A row leaves where its most likely label has at least the asked probability (Schwartz et al. 2020,
https://arxiv.org/abs/2004.07453), once all that is asked of it is answered; the layers above do less.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .graphs import Pass
from .heads import Example, Head
from .pack import Pack
from .questions import Prediction

LAYERS = "layers"  # in a prediction of a task with exits: how many it took


class Part(NamedTuple):
    """An example of a question: the question's number, which of its examples, and the number of its sequence."""

    at: int
    place: int
    example: Example
    sequence: int


Group = tuple[str, list[Part]]  # a task, and what it is asked
Early = list[tuple[Part, Prediction]]


class Rest(NamedTuple):
    """What came to the top: the pack, its states (N, D), how many layers it took, and what is still asked."""

    pack: Pack
    states: np.ndarray
    layers: int
    groups: list[Group]


def climbed(
    heads: Mapping[str, Head], run: Pass, pack: Pack, groups: Sequence[Group], confident: float
) -> Generator[Early, None, Rest | None]:
    """Yields after each of the trunk's graphs whom it let go; returns what is left at the top, None if nothing is."""
    steps = run.climb(pack)
    left, going = list(groups), None
    while True:
        try:
            pack, states, layers = next(steps) if going is None else steps.send(going)
        except StopIteration:
            return Rest(pack, states, layers, left)
        early: Early = []
        for number, (task, group) in enumerate(left):
            if group and (graph := heads[task].task.exits.get(layers)):
                sure = _sure(heads[task], graph, run, pack, states, group, confident)
                early += ((part, {**found, LAYERS: layers}) for part, found in sure.values())
                left[number] = (task, [part for i, part in enumerate(group) if i not in sure])
        yield early
        going = sorted({part.sequence for _, group in left for part in group})
        if not going:
            steps.close()
            return None
        again = {old: new for new, old in enumerate(going)}
        left = [(task, [p._replace(sequence=again[p.sequence]) for p in group]) for task, group in left]


def _sure(
    head: Head, graph: str, run: Pass, pack: Pack, states: np.ndarray, group: Sequence[Part], confident: float
) -> dict[int, tuple[Part, Prediction]]:
    """Of the parts that are sure, by their number."""
    outputs = run.run(graph, {"states": states, "index": pack.gridded([part.sequence for part in group])})
    found = head.predict(outputs, [part.example for part in group])
    both = zip(group, found, strict=True)
    return {i: (part, said) for i, (part, said) in enumerate(both) if said["score"] >= confident}
