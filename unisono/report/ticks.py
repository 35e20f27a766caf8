"""Ticks: the round numbers of an axis."""

from __future__ import annotations

import math


def linear(low: float, high: float, most: int = 6, *, whole: bool = False) -> list[float]:
    """Round numbers, evenly apart, that reach from ``low`` or below to ``high`` or above.

    Args:
        most: about how many; never more than one above.
        whole: whole numbers only, as for steps.

    Returns:
        At least two multiples of 1, 2 or 5 times a power of ten, ascending.
    """
    if high - low <= 1e-12 * max(abs(low), abs(high)):  # one value: room on both sides of it
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    wanted = (high - low) / max(most - 1, 1)
    exponent = math.floor(math.log10(wanted))
    factor = next(f for f in (1, 2, 5, 10) if f * 10.0**exponent >= wanted * (1 - 1e-9))
    if factor == 10:
        factor, exponent = 1, exponent + 1
    if whole and exponent < 0:
        factor, exponent = 1, 0
    step = factor * 10.0**exponent
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, max(0, -exponent)) + 0.0 for i in range(first, max(last, first + 1) + 1)]


def logarithmic(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten, over less than three of them also 2 and 5 times each, that reach from ``low`` to ``high``.

    Raises:
        ValueError: ``low`` is not above 0.
    """
    if low <= 0:
        raise ValueError(f"a logarithmic axis begins above 0, not at {low}")
    if high <= low * (1 + 1e-9):
        low, high = low / 2, high * 2
    bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if top - bottom <= 2 else (1,)
    every = max(1, math.ceil((top - bottom) / most))
    found = [float(f"{f}e{e}") for e in range(bottom, top + every, every) for f in factors]
    first = max((i for i, tick in enumerate(found) if tick <= low * (1 + 1e-9)), default=0)
    last = next((i for i, tick in enumerate(found) if tick >= high * (1 - 1e-9)), len(found) - 1)
    return found[first : last + 1]
