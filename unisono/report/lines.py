"""Lines: quantities over the steps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from unisono.report.axes import SMALL, Frame, make_frame, plot, stack_labels
from unisono.report.colours import slot_class
from unisono.report.formats import number, text_width
from unisono.report.markup import Markup, coordinates, element, join
from unisono.report.thin import Line, Points

SPREAD = 30  # so many times the median, the greatest value calls for a logarithmic axis
DIRECT = 12  # more lines than this are a thicket: all grey, each with its name under the pointer
DOTS = 40  # more points than these are a line without dots
DECADES = 1e6  # a logarithmic axis reaches no further below its greatest value; what is less stands on its floor

Mark = tuple[float, str, str]  # step, short label, meaning


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Args:
        name: of what it shows.
        points: (x, y), ascending in x, at least one.
        slot: which colour; None: grey, as one of many.
        faint: a second line drawn pale behind it: what was measured, where ``points`` are its smoothed course.
        dots: every point is marked and can be pointed at: measured seldom, not at each step.
    """

    name: str
    points: Points
    slot: int | None = 0
    faint: Points = ()
    dots: bool = False


def smoothed(name: str, line: Line, slot: int | None = 0) -> Curve:
    """A noisy line as its smoothed course over its pale self; one too short to smooth, as it is."""
    if len(line.buckets) < 12:
        return Curve(name, line.points(), slot)
    return Curve(name, line.smooth(), slot, line.points())


def chart(
    name: str,
    curves: Sequence[Curve],
    *,
    size: tuple[float, float] = SMALL,
    x_label: str = "step",
    y_label: str = "",
    within: tuple[float, float] | None = None,
    span: tuple[float, float] | None = None,
    marks: Sequence[Mark] = (),
    direct: bool = False,
) -> Markup:
    """A line chart.

    Args:
        name: of the image.
        curves: at least one; more than ``DIRECT`` are grey, and only their smoothed course is drawn.
        within: the y axis reaches at least from here to there.
        span: the ends of the x axis; default: the first and the last x.
        marks: steps that are marked.
        direct: the lines' names stand at their right ends.
    """
    if len(curves) > DIRECT:
        direct, curves = False, [replace(c, slot=None, faint=()) for c in curves]
    everything = [p for c in curves for p in (*c.points, *c.faint)]
    values = [y for _, y in everything] + list(within or ())
    log = is_wide(values)
    low, high = min(values), max(values)
    if log:
        low = max(low, high / DECADES)
    room = min(230.0, 30 + max(text_width(c.name) for c in curves)) if direct else 20.0
    xs = span or (min(x for x, _ in everything), max(x for x, _ in everything))
    frame = make_frame(size, xs, (low, high), right=room, log=log)
    y_label = f"{y_label}, logarithmic".removeprefix(", ") if log else y_label
    return plot(
        *size,
        name,
        frame.grid(x_label, y_label),
        frame.marks(marks),
        join(_path(frame, c.faint, "faint", c.slot) for c in curves if c.faint),
        join(_path(frame, c.points, "line", c.slot, None if direct else c.name) for c in curves),
        frame.strips(_strips(frame, curves, x_label)) if len(curves) <= DIRECT else None,
        join(_dots(frame, c, x_label) for c in curves if c.dots and len(c.points) <= DOTS),
        stack_labels([(frame.y(c.points[-1][1]), c.name, slot_class(c.slot)) for c in curves], frame, room)
        if direct
        else None,
    )


def legend(curves: Sequence[Curve]) -> Markup | None:
    """Names and colours of lines that do not carry their names themselves."""
    if len(curves) < 2:
        return None
    keys = [
        element(
            "span",
            element(
                "svg",
                element("line", x1=0, x2=22, y1=5, y2=5, class_=f"line {slot_class(c.slot)}"),
                viewBox="0 0 22 10",
                class_="key",
            ),
            c.name,
        )
        for c in curves
    ]
    return element("div", *keys, class_="legend")


def is_wide(values: Sequence[float]) -> bool:
    """Do the values need a logarithmic axis: all above 0, and the greatest far above the middle one?"""
    return min(values) > 0 and max(values) > SPREAD * median(values)


def _path(frame: Frame, points: Points, style: str, slot: int | None, title: str | None = None) -> Markup:
    places = [(frame.x(x), frame.y(y)) for x, y in points]
    colour = f"{style} {slot_class(slot)}"
    said = element("title", title) if title else None
    if len(places) == 1:
        return element("circle", said, cx=places[0][0], cy=places[0][1], r=2.5, class_=f"dot {slot_class(slot)}")
    return element("polyline", *([said] if said else []), points=coordinates(places), class_=colour)


def _dots(frame: Frame, curve: Curve, x_label: str) -> Markup:
    return join(
        element(
            "circle",
            element("title", f"{x_label} {round(x):,}\n{curve.name} {number(y)}"),
            cx=frame.x(x),
            cy=frame.y(y),
            r=3.0,
            class_=f"dot {slot_class(curve.slot)}",
        )
        for x, y in curve.points
    )


def _strips(frame: Frame, curves: Sequence[Curve], x_label: str) -> list[tuple[float, float, str]]:
    """What the values are, for some sixty places along the x axis, or as many as there are points."""
    places = sorted({x for c in curves for x, _ in c.points})
    most = 60 if frame.width > SMALL[0] else 30
    places = places[:: max(1, len(places) // most)]
    edges = [frame.x.low, *((a + b) / 2 for a, b in pairwise(places)), frame.x.high]
    out = []
    for x, start, end in zip(places, edges, edges[1:], strict=False):
        said = [f"{c.name} {number(y)}" for c in curves[:DIRECT] if (y := _at(c.points, x)) is not None]
        out.append((start, end, "\n".join([f"{x_label} {round(x):,}", *said])))
    return out


def _at(points: Points, x: float) -> float | None:
    """The value of the point next to x; None before the first and after the last."""
    if not points[0][0] <= x <= points[-1][0]:
        return None
    i = bisect_left(points, x, key=lambda p: p[0])
    near = points[max(0, i - 1) : i + 1]
    return min(near, key=lambda p: abs(p[0] - x))[1]
