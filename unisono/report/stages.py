"""Stages: which task was in when, what was frozen, and which tasks left, when and why."""

from __future__ import annotations

from unisono.report import timeline
from unisono.report.facts import Facts
from unisono.report.formats import any_value
from unisono.report.markup import element, table
from unisono.report.section import Section, figure, section, slots, stage_marks
from unisono.report.timeline import Span
from unisono.report.training import Training

DISTILLED = "distilled"


def stages(facts: Facts) -> Section | None:
    """Only of a run with stages, or with a task that left."""
    training = facts.training
    if not training.stages and not training.left:
        return None
    drawn = timeline.chart(
        "tasks by step", training.tasks, spans(training), float(training.step), slots(facts), stage_marks(facts)
    )
    rows = [
        [s.number, s.name, f"{s.step:,}", ", ".join(s.tasks), ", ".join(s.frozen) or "nothing", any_value(s.scale)]
        for s in training.stages
    ]
    left = [[gone.task, f"{gone.step:,}", gone.how, gone.reason] for gone in training.left]
    return section(
        "stages",
        "Stages",
        "A bar shows the steps in which a task trains; pale, it no longer learns from its labels but is held to its "
        "own predictions, so that it does not decay.",
        figure("", drawn),
        table(["stage", "name", "from step", "tasks", "frozen", "scale"], rows, numbers=(0, 2, 5)) if rows else None,
        element("h3", "Tasks that left") if left else None,
        table(["task", "at step", "how", "why"], left, numbers=(1,)) if left else None,
    )


def spans(training: Training) -> list[Span]:
    """Who took part from when to when. A task that stopped is out from there on; a distilled one stays, pale."""
    end = training.step
    begun = training.stages
    parts = [(0, end, "the whole run", training.tasks)]
    if begun:
        ends = [*(s.step for s in begun[1:]), end]
        parts = [(s.step, stop, f'stage {s.number}, "{s.name}"', s.tasks) for s, stop in zip(begun, ends, strict=True)]
    left = {gone.task: gone for gone in training.left}
    out = []
    for start, stop, words, tasks in parts:
        for task in tasks:
            gone = left.get(task)
            until = stop if gone is None else min(stop, max(start, gone.step))
            if until > start:
                out.append(Span(task, start, until, f"{words}, steps {start:,} to {until:,}"))
            if gone is not None and gone.how == DISTILLED and stop > max(start, gone.step):
                since = max(start, gone.step)
                out.append(Span(task, since, stop, f"distilled, steps {since:,} to {stop:,}", pale=True))
    return out
