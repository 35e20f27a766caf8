"""cells: what a column of a table is, learned from its training cells."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from unisono.runtime.stems.cells import number

_SAMPLE = 20_000  # numbers kept of a column, of which its quantiles are taken
_KNOTS = 256  # quantiles kept
_DISTINCT = 200_000  # texts counted of a column; those that come later are as good as unseen
_NUMERIC = 0.95  # share of the cells of a column of numbers that are numbers


class Seen:
    """The training cells of one column, in bounded memory."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self.texts: Counter[str] = Counter()
        self.kept: list[float] = []
        self.count = self.numbers = 0

    def add(self, text: str) -> None:
        self.count += 1
        if text in self.texts or len(self.texts) < _DISTINCT:
            self.texts[text[:200]] += 1
        value = number(text)
        if value is None:
            return
        self.numbers += 1
        if len(self.kept) < _SAMPLE:
            self.kept.append(value)
        elif (place := int(self._draw.integers(self.numbers))) < _SAMPLE:  # Vitter 1985, algorithm R
            self.kept[place] = value

    @property
    def numeric(self) -> bool:
        """Nearly all cells are numbers; the few others are mistakes."""
        return self.numbers > 0 and self.numbers >= _NUMERIC * self.count

    def scale(self, by: str) -> dict[str, Any]:
        """What ``unisono.runtime.stems.cells.scaled`` needs, plain JSON. ``by``: quantile or standard."""
        values = np.array(self.kept or [0.0], np.float64)
        if by == "standard":
            with np.errstate(over="ignore", invalid="ignore"):
                mean, spread = float(values.mean()), float(values.std())
            if not (math.isfinite(mean) and math.isfinite(spread)):
                raise ValueError('numbers too large for a mean and a spread; "scale: quantile" can take them')
            return {"mean": mean, "spread": spread or 1.0}
        knots, counts = np.unique(values, return_counts=True)
        shares = (np.cumsum(counts) - counts / 2) / len(values)  # of the values below, equal ones being half below
        if len(knots) > _KNOTS:
            at = np.searchsorted(shares, np.linspace(shares[0], shares[-1], _KNOTS)).clip(max=len(knots) - 1)
            at = np.unique(at)
            knots, shares = knots[at], shares[at]
        return {"knots": knots.tolist(), "shares": shares.tolist()}
