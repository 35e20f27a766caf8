"""Scatter: trials by two of their scores, with those that no other beats in both set apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unisono.report.axes import make_frame, plot
from unisono.report.markup import Markup, coordinates, element, join


@dataclass(frozen=True)
class Dot:
    """One point; ``front``: it is set apart."""

    x: float
    y: float
    words: str
    front: bool = False


def chart(
    name: str,
    dots: Sequence[Dot],
    *,
    x_label: str,
    y_label: str,
    size: tuple[float, float] = (520, 320),
    joined: bool = False,
    whole: bool = False,
) -> Markup:
    """A scatter plot.

    Args:
        dots: at least one.
        joined: a line joins those set apart, from left to right.
        whole: x counts something.
    """
    xs, ys = [d.x for d in dots], [d.y for d in dots]
    frame = make_frame(size, _around(xs), _around(ys), right=20.0, whole=whole, cover=True)
    front = sorted((d for d in dots if d.front), key=lambda d: (d.x, d.y))
    line = coordinates([(frame.x(d.x), frame.y(d.y)) for d in front])
    return plot(
        *size,
        name,
        frame.grid(x_label, y_label),
        element("polyline", points=line, class_="line s1") if joined and len(front) > 1 else None,
        join(_dot(d, frame.x(d.x), frame.y(d.y)) for d in sorted(dots, key=lambda d: d.front)),
    )


def _around(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis, with room for the outermost dots."""
    room = 0.04 * (max(values) - min(values))
    return min(values) - room, max(values) + room


def _dot(dot: Dot, x: float, y: float) -> Markup:
    style = "dot s1" if dot.front else "dot muted"
    return element("circle", element("title", dot.words), cx=x, cy=y, r=5.0 if dot.front else 3.5, class_=style)
