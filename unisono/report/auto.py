"""Auto: the λ that balance: auto tried, and why it took those that it took."""

from __future__ import annotations

from typing import Any

from unisono.report.facts import Facts
from unisono.report.formats import any_value, duration, percent
from unisono.report.markup import element, table
from unisono.report.results import Tried
from unisono.report.section import Section, section


def auto(facts: Facts) -> Section | None:
    """The trials of the search, a column for each round."""
    found = facts.auto
    if found is None or not found.rounds:
        return None
    searched = any(trial.rate != 1.0 for trial in found.trials)
    columns = ["trial", *(f"λ {task}" for task in found.tasks), *(["rates ×"] if searched else [])]
    numbers = range(1, len(columns) + len(found.rounds))
    columns += [f"left after {steps:,} steps" for _, steps in found.rounds]
    rows: list[list[Any]] = []
    for at, trial in enumerate(found.trials):
        row: list[Any] = [element("b", f"{at + 1}, chosen") if at == found.chosen else f"{at + 1}"]
        row += [any_value(trial.weights.get(task)) for task in found.tasks]
        row += [any_value(round(trial.rate, 3))] if searched else []
        rows.append([*row, *(_left(trial, at) for at in range(len(found.rounds)))])
    took = f"the search took {percent(found.share)} of the run's steps, {duration(found.seconds)}"
    return section(
        "auto",
        "Chosen λ",
        "balance: auto tried plain sums on the beginning of the run. Left: the mean over the tasks of the loss on "
        "held-out rows, as a share of the untrained model's; in each round the half with less goes on for twice as "
        f"many steps. {took[0].upper()}{took[1:]}.",
        table([*columns, ""], [[*row, ""] for row in rows], numbers=numbers),
    )


def _left(trial: Tried, at: int) -> str:
    """What was left after a round; nothing for a trial that was out by then."""
    if at >= len(trial.left):
        return ""
    left = trial.left[at]
    return "not finite" if left is None else percent(left)
