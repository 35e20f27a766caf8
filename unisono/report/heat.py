"""Heat: a matrix of signed numbers as patches of two colours, blue above 0 and orange below, pale near 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from unisono.report.axes import plot
from unisono.report.formats import shorten, signed, text_width
from unisono.report.markup import Markup, element, join

STRONG = 0.6  # from this share of the limit on, text stands on a strong colour


def chart(
    name: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    limit: float = 1.0,
    say: Callable[[int, int], str] | None = None,
    cell: float | None = None,
) -> Markup:
    """A heat map.

    Args:
        name: of the image.
        rows, columns: their names.
        values: a number for each row and column; None: there is none, and the patch stays empty.
        limit: the size that has the full colour; beyond it, colour says no more.
        say: (row, column) -> what is said where the pointer rests, before the value.
        cell: width of a patch in pixels; default: as there is room.
    """
    left = min(230.0, 12 + max(map(text_width, rows)))
    cell = cell or max(12.0, min(64.0, 640.0 / len(columns)))
    high = min(cell, 30.0)
    slanted = max(map(text_width, columns)) > cell
    top = 10 + (min(120.0, max(map(text_width, columns)) * 0.75) if slanted else 14)
    width, height = left + cell * len(columns) + (64 if slanted else 4), top + high * len(rows) + 4
    parts = []
    for j, column in enumerate(columns):
        x, y = left + (j + 0.5) * cell, top - 6
        turn = f"rotate(-45 {x:.1f} {y:.1f})" if slanted else None
        words = shorten(column, 150.0) if slanted else column
        parts.append(
            element(
                "text",
                words,
                x=x,
                y=y,
                class_="label",
                text_anchor="start" if slanted else "middle",
                transform=turn,
            )
        )
    for i, row in enumerate(rows):
        y = top + i * high
        parts.append(
            element("text", shorten(row, left - 10), x=left - 6, y=y + high / 2 + 4, class_="label", text_anchor="end")
        )
        for j, column in enumerate(columns):
            value = values[i][j]
            before = say(i, j) if say else f"{row}, {column}"
            parts.append(_patch((left + j * cell, y, cell, high), value, limit, before))
    return plot(width, height, name, join(parts))


def key(limit: float, low: str, high: str) -> Markup:
    """What the colours mean: from ``-limit`` to ``limit``, with words for both ends."""
    steps = [(i - 6) / 6 for i in range(13)]
    patches = [
        element(
            "rect",
            x=float(i * 14),
            y=0.0,
            width=13.0,
            height=10.0,
            class_=_sign(s) if s else "none",
            fill_opacity=f"{abs(s) or 1:.2f}",
        )
        for i, s in enumerate(steps)
    ]
    return element(
        "div",
        element("span", f"{low} {signed(-limit, places(limit))}"),
        element("svg", *patches, viewBox="0 0 182 10", class_="scale"),
        element("span", f"{signed(limit, places(limit))} {high}"),
        class_="legend",
    )


def _patch(place: tuple[float, float, float, float], value: float | None, limit: float, before: str) -> Markup:
    x, y, width, height = place
    if value is None:
        return element(
            "rect",
            element("title", f"{before}: –"),
            x=x,
            y=y,
            width=width - 1,
            height=height - 1,
            class_="none",
        )
    share = min(1.0, abs(value) / limit) if limit else 0.0
    digits = places(limit)
    words = signed(value, digits)
    return element(
        "g",
        element("title", f"{before}: {signed(value, digits + 2)}"),
        element("rect", x=x, y=y, width=width - 1, height=height - 1, class_="under"),
        element(
            "rect",
            x=x,
            y=y,
            width=width - 1,
            height=height - 1,
            class_=_sign(value),
            fill_opacity=f"{share:.2f}",
        ),
        element(
            "text",
            words,
            x=x + width / 2 - 0.5,
            y=y + height / 2 + 3.5,
            class_="tick on" if share >= STRONG else "tick ink",
            text_anchor="middle",
        )
        if width >= 36
        else None,
    )


def places(limit: float) -> int:
    """How many places tell values of such a size apart."""
    return 2 if limit <= 0 else max(0, 2 - math.ceil(math.log10(limit)))


def _sign(value: float) -> str:
    return "plus" if value >= 0 else "minus"
