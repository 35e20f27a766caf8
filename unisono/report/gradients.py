"""Gradients: how the tasks' gradients stood to one another, by layer, over all the looks a run took at them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from unisono.report.thin import Line

WHOLE = "all"  # the name that stands for all layers together
FEW = 4  # up to so many tasks each pair is followed over time; above, the mean of all pairs and the most opposed

Pair = tuple[str, str]


@dataclass(slots=True)
class Tally:
    """Cosines of one pair at one layer."""

    total: float = 0.0
    count: int = 0
    opposed: int = 0  # below 0

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


class Gradients:
    """Cosines and norms of the tasks' gradients, taken in look by look."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.looks = 0
        self.cosines: dict[str, dict[Pair, Tally]] = {}  # layer -> pair -> its cosines
        self.norms: dict[str, Line] = {}  # task -> norm over all layers
        self.course: dict[str, Line] = {}  # pair, or which pairs -> cosine over all layers

    @property
    def layers(self) -> list[str]:
        """As they lie, all of them together last."""
        return sorted(self.cosines, key=lambda layer: layer == WHOLE)

    def pairs(self) -> list[Pair]:
        """The pairs of which a cosine is known, the most opposed over all layers first."""

        def worst(pair: Pair) -> float:
            found = [self.mean(WHOLE, *pair)] if WHOLE in self.cosines else [self.mean(n, *pair) for n in self.cosines]
            return min((value for value in found if value is not None), default=math.inf)

        known = dict.fromkeys(pair for of in self.cosines.values() for pair, tally in of.items() if tally.count)
        return sorted(known, key=worst)

    def tally(self, layer: str, one: str, other: str) -> Tally | None:
        of = self.cosines.get(layer, {})
        return of.get((one, other)) or of.get((other, one))

    def mean(self, layer: str, one: str, other: str) -> float | None:
        """The mean cosine of two tasks at a layer; None where it was never known."""
        tally = self.tally(layer, one, other)
        return tally.mean if tally else None

    def add(
        self,
        step: int,
        tasks: Sequence[str],
        norms: Mapping[str, Sequence[float | None]],
        cosines: Mapping[str, Sequence[Sequence[float | None]]],
    ) -> None:
        """Takes in one look.

        Args:
            tasks: T names; ``norms``: layer -> T; ``cosines``: layer -> T x T. None: not known.
        """
        self.looks += 1
        self.tasks += [task for task in tasks if task not in self.tasks]
        for layer, matrix in cosines.items():
            of = self.cosines.setdefault(layer, {})
            for (i, one), (j, other) in combinations(enumerate(tasks), 2):
                value = matrix[i][j]
                pair = (other, one) if (other, one) in of else (one, other)
                if value is not None and math.isfinite(value):
                    tally = of.setdefault(pair, Tally())
                    tally.total, tally.count, tally.opposed = (
                        tally.total + value, tally.count + 1, tally.opposed + (value < 0),
                    )  # fmt: skip
        for task, norm in zip(tasks, norms.get(WHOLE, ()), strict=False):
            self.norms.setdefault(task, Line()).add(step, norm)
        if WHOLE in cosines:
            self._follow(step, tasks, cosines[WHOLE])

    def _follow(self, step: int, tasks: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> None:
        found = {
            (one, other): value
            for (i, one), (j, other) in combinations(enumerate(tasks), 2)
            if (value := matrix[i][j]) is not None and math.isfinite(value)
        }
        if not found:
            return
        if len(self.tasks) <= FEW:
            for (one, other), value in found.items():
                self.course.setdefault(f"{one} · {other}", Line()).add(step, value)
            return
        self.course.setdefault("mean of all pairs", Line()).add(step, sum(found.values()) / len(found))
        self.course.setdefault("most opposed pair", Line()).add(step, min(found.values()))
