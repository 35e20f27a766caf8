"""Axes: from values to pixels, the grid and labels that charts share, and the strips one points at to read values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unisono.report import ticks
from unisono.report.formats import shorten, text_width, tick_labels
from unisono.report.markup import Markup, element, join

WIDE, SMALL = (1040, 300), (360, 210)  # sizes of plots, in the pixels of their own coordinates


@dataclass(frozen=True)
class Scale:
    """Where a value stands on an axis.

    Args:
        low, high: values at the ends.
        start, end: pixels at the ends.
        ticks: the values that are marked.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...] = ()
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def labels(self) -> list[str]:
        return tick_labels(list(self.ticks), log=self.log)


@dataclass(frozen=True)
class Frame:
    """The rectangle of a plot that holds the data."""

    width: float  # of the whole plot
    height: float
    x: Scale
    y: Scale

    def grid(self, x_label: str, y_label: str) -> Markup:
        """Grid lines, tick labels, the names of the axes."""
        left, right, bottom = self.x.start, self.x.end, self.y.start
        parts = []
        for tick, label in zip(self.y.ticks, self.y.labels(), strict=True):
            at = self.y(tick)
            parts.append(element("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
            parts.append(element("text", label, x=left - 6, y=at + 4, class_="tick", text_anchor="end"))
        for tick, label in zip(self.x.ticks, self.x.labels(), strict=True):
            at = self.x(tick)
            parts.append(element("line", x1=at, x2=at, y1=bottom, y2=bottom + 4, class_="axis"))
            parts.append(element("text", label, x=at, y=bottom + 16, class_="tick", text_anchor="middle"))
        parts.append(element("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
        parts.append(element("text", x_label, x=right, y=bottom + 30, class_="tick", text_anchor="end"))
        if y_label:
            parts.append(element("text", y_label, x=2.0, y=11.0, class_="tick"))
        return join(parts)

    def marks(self, marks: Sequence[tuple[float, str, str]]) -> Markup:
        """Upright lines at (x, short label, what it means), where a stage begins, say."""
        top, bottom = self.y.end, self.y.start
        parts = []
        for value, label, meaning in marks:
            if not self.x.low <= value <= self.x.high:
                continue
            at = self.x(value)
            parts.append(
                element(
                    "g",
                    element("title", meaning),
                    element("line", x1=at, x2=at, y1=top, y2=bottom, class_="mark"),
                    element("text", label, x=at + 3, y=top + 9, class_="tick"),
                )
            )
        return join(parts)

    def strips(self, titles: Sequence[tuple[float, float, str]]) -> Markup:
        """Unseen upright strips (from, to, text): the text shows where the pointer rests."""
        top, bottom = self.y.end, self.y.start
        return element(
            "g",
            *(
                element(
                    "rect",
                    element("title", words),
                    x=self.x(start),
                    y=top,
                    width=max(0.5, self.x(end) - self.x(start)),
                    height=bottom - top,
                )
                for start, end, words in titles
            ),
            class_="strips",
        )


def make_frame(
    size: tuple[float, float],
    xs: tuple[float, float],
    ys: tuple[float, float],
    *,
    right: float = 20.0,
    whole: bool = True,
    log: bool = False,
    cover: bool = False,
) -> Frame:
    """A frame for data in given ranges.

    Args:
        size: width and height in pixels.
        xs, ys: least and greatest value. The y axis reaches from round number to round number around them.
        right: room to the right of the data, for labels.
        whole: x counts something.
        log: y is logarithmic; ``ys`` begin above 0.
        cover: x reaches from round number to round number, too.
    """
    width, height = size
    y_ticks = ticks.logarithmic(*ys) if log else ticks.linear(*ys, max(3, int(height // 42)))
    top, bottom = 20.0, height - 36.0
    left = 12 + max(map(text_width, tick_labels(y_ticks, log=log)))
    x_ticks = ticks.linear(*xs, max(3, int((width - left - right) // 60)), whole=whole)
    low, high = (x_ticks[0], x_ticks[-1]) if cover or xs[0] == xs[1] else xs
    shown = tuple(t for t in x_ticks if low <= t <= high)
    return Frame(
        width,
        height,
        Scale(low, high, left, width - right, shown),
        Scale(y_ticks[0], y_ticks[-1], bottom, top, tuple(y_ticks), log),
    )


def plot(width: float, height: float, name: str, *parts: Markup | None) -> Markup:
    """An SVG image that grows with the page; ``name`` is read out where images are not seen."""
    return element(
        "svg",
        *(part for part in parts if part is not None),
        viewBox=f"0 0 {width:g} {height:g}",
        class_="plot",
        role="img",
        aria_label=name,
        style=f"min-width: {width * 0.8:g}px; max-width: {width * 1.25:g}px",
    )


def stack_labels(wanted: Sequence[tuple[float, str, str]], frame: Frame, room: float) -> Markup:
    """Names beside the ends of lines: (y in pixels, name, class), moved apart where they would overlap."""
    gap, top, bottom = 13.0, frame.y.end, frame.y.start
    order = sorted(wanted)
    places = spread([y for y, _, _ in order], gap, top, bottom)
    x = frame.x.end
    return join(
        element(
            "g",
            element("title", name),
            element("line", x1=x + 5, x2=x + 17, y1=at, y2=at, class_=f"line {colour}"),
            element("text", shorten(name, room - 26), x=x + 21, y=at + 4, class_="label"),
        )
        for at, (_, name, colour) in zip(places, order, strict=True)
    )


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places moved apart to at least ``gap``, none above ``high`` and, with room, none below ``low``."""
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + gap) if out else max(place, low))
    limit = high
    for i in reversed(range(len(out))):
        out[i] = min(out[i], limit)
        limit = out[i] - gap
    return out
