"""Timeline: who took part from when to when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unisono.report import ticks
from unisono.report.axes import WIDE, Frame, Scale, plot
from unisono.report.colours import slot_class
from unisono.report.formats import shorten, text_width
from unisono.report.lines import Mark
from unisono.report.markup import Markup, element, join

ROW = 24.0


@dataclass(frozen=True)
class Span:
    """One bar: ``task`` from step ``start`` to step ``end``; ``pale``: it took part in another way."""

    task: str
    start: float
    end: float
    words: str
    pale: bool = False


def chart(
    name: str, tasks: Sequence[str], spans: Sequence[Span], end: float, slots: Mapping[str, int | None],
    marks: Sequence[Mark] = (),
) -> Markup:  # fmt: skip
    """A row of bars for each task, from step 0 to ``end``."""
    width = float(WIDE[0])
    left = min(200.0, 14 + max(map(text_width, tasks)))
    top, bottom = 8.0, 24 + ROW * len(tasks)
    marked = ticks.linear(0.0, max(end, 1.0), 9, whole=True)
    x = Scale(0.0, max(end, 1.0), left, width - 16, tuple(t for t in marked if t <= max(end, 1.0)))
    frame = Frame(width, bottom + 34, x, Scale(0.0, 1.0, bottom, top))
    parts = []
    for i, task in enumerate(tasks):
        y = 24 + ROW * i
        parts.append(element("text", shorten(task, left - 10), x=left - 8, y=y + 15, class_="label", text_anchor="end"))
        for span in (s for s in spans if s.task == task):
            parts.append(
                element(
                    "rect",
                    element("title", f"{task}: {span.words}"),
                    x=x(span.start),
                    y=y + 3,
                    width=max(1.0, x(span.end) - x(span.start)),
                    height=ROW - 7,
                    class_=f"band {slot_class(slots.get(task))}" + (" pale" if span.pale else ""),
                )
            )
    return plot(width, bottom + 34, name, frame.grid("step", ""), join(parts), frame.marks(marks))
