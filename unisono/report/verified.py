"""Verified: groups of tasks that were trained, against all together and each alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unisono.report import intervals
from unisono.report.formats import mean_of, signed
from unisono.report.intervals import Estimate
from unisono.report.markup import Markup, element, join, table
from unisono.report.results import Grouping, Verified
from unisono.report.section import figure


def verified(found: Verified, tasks: Sequence[str]) -> Markup:
    """What was trained, what it reached, and the sentence."""
    estimates = [e for one in found.groupings if (e := _estimate(one))]
    over = f"{len(found.seeds)} seed{'s' if len(found.seeds) != 1 else ''}"
    chosen = "chosen on validation rows" if found.by == "validation" else "the one of most affinity"
    caption = f"Δm of each grouping over {over}, in % of each task alone; bold in the table: {chosen}"
    return join(
        [
            element("h3", "Verified by training the groups"),
            element("p", found.sentence, class_="verdict") if found.sentence else None,
            element("ul", *(element("li", line) for line in found.warnings)) if found.warnings else None,
            figure(caption, intervals.chart("groupings", estimates, "% better than alone")) if estimates else None,
            _scores(found, tasks),
        ]
    )


def _scores(found: Verified, tasks: Sequence[str]) -> Markup:
    rows = []
    for at, one in enumerate(found.groupings):
        row: list[Any] = [_named(one), *(mean_of(one.scores.get(task, [])) for task in tasks), *_changes(one)]
        rows.append([element("b", cell) for cell in row] if at == found.chosen else row)
    columns = ["learned together", *(f"{task}, {found.metric.get(task, '–')}" for task in tasks)]
    return table([*columns, "Δm on validation rows, %", "Δm, %", "interval"], rows, numbers=range(1, len(columns) + 3))


def _changes(one: Grouping) -> list[Any]:
    if one.alone:
        return ["–", "–", "–"]
    e = _estimate(one)
    known = e is not None and e.low is not None and e.high is not None
    return [
        signed(one.validation) if one.validation is not None else "–",
        signed(e.mean) if e else "–",
        f"{signed(e.low)} to {signed(e.high)}" if e and known else "–",
    ]


def _estimate(one: Grouping) -> Estimate | None:
    """Against each task alone; None for just that."""
    if one.alone or one.delta_m.mean is None:
        return None
    return Estimate(_named(one), one.delta_m.mean, one.delta_m.low, one.delta_m.high)


def _named(one: Grouping) -> str:
    if len(one.groups) == 1:
        return "all together"
    return "each alone" if one.alone else " | ".join(", ".join(group) for group in one.groups)
