"""Intervals: estimates with the range in which they are trusted, against 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unisono.report import ticks
from unisono.report.axes import Scale, plot
from unisono.report.formats import shorten, signed, text_width, tick_labels
from unisono.report.markup import Markup, element, join

ROW = 28.0


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval; without one (a single seed, say) ``low`` and ``high`` are None."""

    name: str
    mean: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """What the interval says: gained, lost, or neither."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "unclear"
        return "gained" if self.low > 0 else "lost"

    def words(self) -> str:
        """The numbers."""
        if self.low is None or self.high is None:
            return signed(self.mean)
        return f"{signed(self.mean)}  [{signed(self.low)}, {signed(self.high)}]"


def chart(name: str, estimates: Sequence[Estimate], unit: str) -> Markup:
    """One line per estimate: a dot, its interval, its numbers. Blue: all above 0; orange: all below; grey: neither."""
    width = 720.0
    left = min(200.0, 14 + max(text_width(e.name) for e in estimates))
    right = 16 + max(text_width(e.words()) for e in estimates)
    ends = [v for e in estimates for v in (e.mean, e.low, e.high) if v is not None]
    marked = ticks.linear(min([0.0, *ends]), max([0.0, *ends]), 6)
    bottom = 14 + ROW * len(estimates)
    x = Scale(marked[0], marked[-1], left, width - right, tuple(marked))
    parts = []
    for tick, label in zip(marked, tick_labels(marked), strict=True):
        style = "axis" if tick == 0 else "grid"
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=8.0, y2=bottom, class_=style))
        parts.append(element("text", label, x=x(tick), y=bottom + 14, class_="tick", text_anchor="middle"))
    parts.append(element("text", unit, x=x.end, y=bottom + 28, class_="tick", text_anchor="end"))
    for i, e in enumerate(estimates):
        parts.append(_row(e, 14 + ROW * (i + 0.5), x, left))
    return plot(width, bottom + 34, name, join(parts))


def _row(e: Estimate, y: float, x: Scale, left: float) -> Markup:
    colour = {"gained": "plus", "lost": "minus", "unclear": "neither"}[e.verdict]
    interval = None
    if e.low is not None and e.high is not None:
        interval = element("line", x1=x(e.low), x2=x(e.high), y1=y, y2=y, class_=f"interval {colour}")
    return element(
        "g",
        element("title", f"{e.name}: {e.words()}"),
        element("text", shorten(e.name, left - 10), x=left - 8, y=y + 4, class_="label", text_anchor="end"),
        interval,
        element("circle", cx=x(e.mean), cy=y, r=5.0, class_=f"estimate {colour}"),
        element("text", e.words(), x=x.end + 12, y=y + 4, class_="label"),
    )
