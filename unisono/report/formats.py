"""Formats: numbers, shares and durations as a person reads them, and how wide a text will be."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from unisono.report.markup import Markup, element, text

EM = 11.0  # pixels: the size of text in a plot


def number(value: float | None) -> str:
    """A score or a loss with as many places as it needs; – for one that is not there."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if float(value).is_integer() and size < 1e15:
        return _minus(f"{int(value):,}") if size >= 10 or isinstance(value, int) else _minus(f"{value:.1f}")
    if size >= 1e6 or size < 1e-3:
        return _minus(_power(value, 2))
    return _minus(f"{value:,.2f}" if size >= 10 else f"{value:.4f}")


def exact(value: float | None) -> Markup:
    """``number``, with all its digits under the pointer."""
    return text("–") if value is None else element("span", number(value), title=repr(value))


def mean_of(scores: Sequence[float | None]) -> Markup:
    """The mean over seeds; each seed's score under the pointer."""
    known = [score for score in scores if score is not None]
    if not known:
        return exact(None)
    return element("span", number(sum(known) / len(known)), title=", ".join(repr(score) for score in scores))


def signed(value: float | None, places: int = 2) -> str:
    """A difference with its sign."""
    if value is None or not math.isfinite(value):
        return "–"
    rounded = round(value, places) + 0.0  # no −0.00
    return _minus(f"{rounded:+.{places}f}") if rounded else f"{0:.{places}f}"


def percent(share: float) -> str:
    """0.123 as 12.3 %."""
    return f"{share * 100:.1f} %"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def large(count: float) -> str:
    """A count in millions or thousand millions, once it is that large: 28.1 M."""
    for unit, name in ((1e9, " G"), (1e6, " M")):
        if count >= unit:
            return f"{count / unit:.1f}{name}"
    return f"{count:,.0f}"


def any_value(value: Any) -> str:
    """A value of a setting, whatever it is."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return number(value) if not math.isfinite(value) or value == 0 else _natural(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {any_value(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(any_value(each) for each in value)
    return str(value)


def tick_labels(ticks: list[float], *, log: bool = False) -> list[str]:
    """Labels of an axis: all with the same number of places, or on a logarithmic axis each with its own."""
    largest = max(map(abs, ticks), default=0.0)
    if log:
        return [_minus(f"{t:,.0f}" if 1 <= t < 1e6 else f"{t:g}" if 1e-3 <= t < 1 else _power(t, 6)) for t in ticks]
    if largest >= 1e6:
        unit, name = (1e9, "G") if largest >= 1e9 else (1e6, "M")
        return [label if label == "0" else f"{label} {name}" for label in _even([t / unit for t in ticks])]
    if 0 < largest < 1e-3:
        return ["0" if t == 0 else _minus(_power(t, 6)) for t in ticks]
    return _even(ticks)


def text_width(words: str) -> float:
    """About how many pixels a text in a plot is wide; no font is at hand to ask."""
    return EM * sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.57 for c in words)


def shorten(words: str, width: float) -> str:
    """A text cut to about ``width`` pixels, with … in place of what is left out."""
    if text_width(words) <= width:
        return words
    while words and text_width(words + "…") > width:
        words = words[:-1]
    return words + "…"


def _even(values: list[float]) -> list[str]:
    places = max((len(f"{v:.9f}".rstrip("0").partition(".")[2]) for v in values), default=0)
    return ["0" if v == 0 else _minus(f"{v:,.{places}f}") for v in values]


def _natural(value: float) -> str:
    """As many places as were written."""
    return _minus(f"{value:.6g}" if 1e-3 <= abs(value) < 1e6 else _power(value, 6))


def _power(value: float, places: int) -> str:
    """With a power of ten: 1.5e-5."""
    mantissa, _, power = f"{value:.{places}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"


def _minus(words: str) -> str:
    return words.replace("-", "−")
