"""Markup: elements as text, into which nothing of a run gets but escaped. Well-formed as HTML and as XML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

# HTML's and SVG's elements that hold nothing, written <name/>; every other has an end tag, as HTML wants it.
_EMPTY = frozenset(("meta", "br", "line", "path", "rect", "circle", "polyline"))
# What XML cannot hold: control characters but tab and newline, half a surrogate pair, two that are no characters.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already. Any other text is escaped where it becomes part of an element."""

    __slots__ = ()


def text(value: Any) -> Markup:
    """A value as markup: what is not markup already is escaped, and what no page can hold becomes �."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(_FORBIDDEN.sub("\ufffd", str(value))))


def join(parts: Iterable[Any]) -> Markup:
    """Parts one after the other; None is nothing."""
    return Markup("".join(text(part) for part in parts if part is not None))


def element(tag: str, /, *children: Any, **attributes: Any) -> Markup:
    """``<tag attribute="…">children</tag>``.

    Attributes: ``class_`` is class, ``aria_label`` is aria-label, None is left out, a float has one decimal place.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in _EMPTY and not children:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Iterable[int] = ()) -> Markup:
    """A table that scrolls sideways where it must. ``numbers``: which columns stand flush right."""
    right = frozenset(numbers)

    def line(cells: Sequence[Any], cell: str) -> Markup:
        return element("tr", *(element(cell, each, class_="n" if i in right else None) for i, each in enumerate(cells)))

    body = [line(cells, "td") for cells in rows]
    return element(
        "div",
        element("table", element("thead", line(columns, "th")), element("tbody", *body)),
        class_="scroll",
    )


def coordinates(points: Iterable[tuple[float, float]]) -> str:
    """``x,y x,y …``, to a tenth of a pixel."""
    return " ".join(f"{_short(float(x))},{_short(float(y))}" for x, y in points)


def _short(value: Any) -> Any:
    """A number to one decimal place, without a needless ``.0``."""
    if not isinstance(value, float):
        return value
    rounded = f"{value:.1f}"
    return "0" if rounded in ("-0.0", "0.0") else rounded.removesuffix(".0")
