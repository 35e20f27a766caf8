"""Section: a heading, a sentence on how to read what follows, and figures or tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unisono.report.facts import Facts
from unisono.report.lines import Mark
from unisono.report.markup import Markup, element


@dataclass(frozen=True)
class Section:
    """A part of the page. ``anchor``: what links to it say."""

    anchor: str
    title: str
    body: Markup


def section(anchor: str, title: str, lead: str, *parts: Markup | None) -> Section:
    """A section from its parts; None is nothing."""
    said = element("p", lead, class_="lead") if lead else None
    body = element("section", element("h2", title), said, *(p for p in parts if p is not None), id=anchor)
    return Section(anchor, title, body)


def figure(title: str, chart: Markup, *others: Markup | None) -> Markup:
    """A chart under its title, with what explains it above. Where the page is narrow it scrolls sideways."""
    head = element("figcaption", title) if title else None
    return element("figure", head, *others, element("div", chart, class_="scroll"))


def grid(figures: Iterable[Markup]) -> Markup:
    """Small figures side by side, as many as there is room for."""
    return element("div", *figures, class_="figures")


def slots(facts: Facts) -> dict[str, int | None]:
    """Each task's colour, the same all over the page."""
    return {task: i for i, task in enumerate(facts.training.tasks)}


def all_steps(facts: Facts) -> tuple[float, float]:
    """The x axis of everything over the steps, so that charts can be compared."""
    return 0.0, float(max(facts.training.step, 1))


def stage_marks(facts: Facts) -> list[Mark]:
    """Where stages begin, for charts over the steps."""
    return [
        (float(s.step), str(s.number), f'stage {s.number}, "{s.name}", from step {s.step:,}')
        for s in facts.training.stages
    ]
