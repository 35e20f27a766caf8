"""Areas: shares of a whole over the steps, one on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from unisono.report.axes import WIDE, make_frame, plot
from unisono.report.colours import SLOTS, slot_class
from unisono.report.formats import percent, shorten, text_width
from unisono.report.lines import Mark
from unisono.report.markup import Markup, coordinates, element, join
from unisono.report.thin import Shares, Stretch

BANDS = 2 * SLOTS  # more tasks than this: the smallest together are "others"


def bands(shares: Shares) -> list[tuple[str, frozenset[str]]]:
    """(label, tasks) of each band. Of very many tasks, the smallest share one."""
    totals = shares.totals()
    largest = sorted(totals, key=lambda t: -totals[t])[: BANDS - 1] if len(totals) > BANDS else list(totals)
    found = [(task, frozenset((task,))) for task in totals if task in largest]
    rest = frozenset(totals) - frozenset(largest)
    return [*found, (f"{len(rest)} others", rest)] if rest else found


def chart(name: str, shares: Shares, slots: Mapping[str, int | None], marks: Sequence[Mark] = ()) -> Markup:
    """Each task's share of the steps, as bands that together fill the height.

    Args:
        name: of the image.
        shares: at least one step.
        slots: task -> its colour.
    """
    shown = bands(shares)
    room = min(190.0, 30 + max(text_width(label) for label, _ in shown))
    stretches = shares.stretches
    edges = [stretches[0].first - 0.5]
    edges += [(a.last + b.first) / 2 for a, b in pairwise(stretches)]
    edges += [stretches[-1].last + 0.5]
    frame = make_frame(WIDE, (edges[0], edges[-1]), (0.0, 1.0), right=room)
    below = [0.0] * len(stretches)
    parts, labels = [], []
    for label, members in shown:
        above = [low + _share(stretch, members) for low, stretch in zip(below, stretches, strict=True)]
        outline = _corners(edges, above) + _corners(edges, below)[::-1]
        places = [(frame.x(x), frame.y(y)) for x, y in outline]
        colour = slot_class(slots.get(label))
        parts.append(element("polyline", points=coordinates(places), class_=f"band {colour}"))
        top, bottom = frame.y(above[-1]), frame.y(below[-1])
        if bottom - top >= 12:
            at = (top + bottom) / 2 + 4
            labels.append(element("text", shorten(label, room - 12), x=frame.x.end + 8, y=at, class_="label"))
        below = above
    said = [
        (start, end, _words(stretch, shown)) for start, end, stretch in zip(edges, edges[1:], stretches, strict=False)
    ]
    return plot(
        *WIDE, name, frame.grid("step", "share of rows"), join(parts), frame.marks(marks), frame.strips(said), *labels
    )


def legend(shares: Shares, slots: Mapping[str, int | None]) -> Markup:
    """Names and colours of bands."""
    names = [label for label, _ in bands(shares)]
    keys = [element("span", element("i", class_=f"patch {slot_class(slots.get(n))}"), n) for n in names]
    return element("div", *keys, class_="legend")


def _share(stretch: Stretch, members: frozenset[str]) -> float:
    whole = sum(stretch.parts.values())
    return sum(part for task, part in stretch.parts.items() if task in members) / whole if whole else 0.0


def _corners(edges: Sequence[float], heights: Sequence[float]) -> list[tuple[float, float]]:
    """The outline of columns between edges."""
    return [
        corner
        for start, end, height in zip(edges, edges[1:], heights, strict=False)
        for corner in ((start, height), (end, height))
    ]


def _words(stretch: Stretch, bands: Sequence[tuple[str, frozenset[str]]]) -> str:
    steps = f"step {stretch.first:,.0f}" + (f" to {stretch.last:,.0f}" if stretch.last > stretch.first else "")
    return "\n".join([steps, *(f"{task} {percent(_share(stretch, members))}" for task, members in reversed(bands))])
