"""cells: what a cell of a table says: nothing, a text, or a number on the scale of its column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

_LIMIT = 10.0  # standard deviations beyond which a number says no more
_NORMAL = NormalDist()


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


def scaled(value: float, told: Mapping[str, Any]) -> float:
    """A number on a scale on which training cells have about mean 0 and variance 1.

    By quantiles: the share of training cells below it, as a normal distribution has it there (Gorishniy et al. 2021,
    section 4.2).

    Args:
        told: of the column: ``mean`` and ``spread``, or ``knots`` and ``shares``.
    """
    if "mean" in told:
        return float(min(_LIMIT, max(-_LIMIT, (value - told["mean"]) / told["spread"])))
    share = float(np.interp(value, told["knots"], told["shares"]))
    return _NORMAL.inv_cdf(min(1 - 1e-4, max(1e-4, share)))
