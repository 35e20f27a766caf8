"""cells: what a column of a table is, learned from its training cells, and what a cell of it says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

_SAMPLE = 20_000  # numbers kept of a column, of which its quantiles are taken
_KNOTS = 256  # quantiles kept
_DISTINCT = 200_000  # texts counted of a column; those that come later are as good as unseen
_LIMIT = 10.0  # standard deviations beyond which a number says no more
_NUMERIC = 0.95  # share of the cells of a column of numbers that are numbers


class Unreadable(ValueError):
    """A cell that cannot be used. The message is the reason."""


def plain(cell: Any, missing: Sequence[str]) -> str | None:
    """A cell as text without blanks around it; None: there is nothing in it.

    Raises:
        Unreadable: a list, a mapping, bytes.
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # 3.0 is 3, in a column of categories
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if not isinstance(cell, (str, int, float)):
        raise Unreadable(f"is a {type(cell).__name__}, neither a number nor a text")
    try:
        found = str(cell).strip()
    except ValueError:  # an integer of thousands of digits
        raise Unreadable("is too long a number") from None
    return None if not found or found in missing else found


def number(text: str) -> float | None:
    """A finite number, or None: the text is none."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


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
        """What ``scaled`` needs, plain JSON. ``by``: quantile or standard."""
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


def scaled(value: float, told: dict[str, Any]) -> float:
    """A number on a scale on which training cells have about mean 0 and variance 1.

    By quantiles: the share of training cells below it, as a normal distribution has it there (Gorishniy et al. 2021,
    section 4.2).
    """
    if "mean" in told:
        return float(min(_LIMIT, max(-_LIMIT, (value - told["mean"]) / told["spread"])))
    share = float(np.interp(value, told["knots"], told["shares"]))
    return float(torch.special.ndtri(torch.tensor(min(1 - 1e-4, max(1e-4, share)), dtype=torch.float64)))
