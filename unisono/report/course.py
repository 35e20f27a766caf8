"""Course: losses, scores, λ, learning rates, the gradient's norm and the mix, over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unisono.report import areas, lines
from unisono.report.axes import WIDE
from unisono.report.facts import Facts
from unisono.report.formats import number
from unisono.report.lines import Curve, smoothed
from unisono.report.markup import Markup, element
from unisono.report.section import Section, all_steps, figure, grid, section, slots, stage_marks
from unisono.report.thin import Line
from unisono.report.training import NOT_SCORES


def losses(facts: Facts) -> Section | None:
    """One chart a task, as their losses are not of one size."""
    found = {task: line for task, line in facts.training.losses.items() if len(line)}
    if not found:
        return None
    colours, span = slots(facts), all_steps(facts)
    left = {gone.task: gone for gone in facts.training.left}
    charts = []
    for task, line in found.items():
        marks = stage_marks(facts)
        if task in left:
            marks.append((float(left[task].step), "✕", f"{left[task].how} at step {left[task].step:,}"))
        drawn = lines.chart(f"loss of {task}", [smoothed(task, line, colours.get(task))], marks=marks, span=span)
        charts.append(figure(task, drawn))
    return section(
        "losses",
        "Losses",
        "Mean over the labelled units of each step. Pale: every step, or of neighbouring steps the least and the "
        "greatest; strong: their smoothed course.",
        grid(charts),
    )


def metrics(facts: Facts) -> Section | None:
    """The main metrics in one chart, and each task's metrics in its own."""
    evaluations = facts.training.evaluations
    main: dict[str, Line] = {}
    every: dict[str, dict[str, Line]] = {}
    for e in evaluations:
        for task, value in e.main.items():
            main.setdefault(task, Line()).add(e.step, value)
        for task, values in e.scores.items():
            for metric, value in values.items():
                if metric not in NOT_SCORES and "/" not in metric:
                    every.setdefault(task, {}).setdefault(metric, Line()).add(e.step, value)
    main = {task: line for task, line in main.items() if len(line)}
    if not every and not main:
        return None
    marks, span = stage_marks(facts), all_steps(facts)
    parts = []
    if main:
        colours = slots(facts)
        curves = [Curve(task, line.points(), colours.get(task), dots=True) for task, line in main.items()]
        parts.append(_wide(facts, "main metrics", curves))
    small = [
        figure(task, lines.chart(f"metrics of {task}", curves, marks=marks, span=span), lines.legend(curves))
        for task, by_metric in every.items()
        for curves in _by_size(by_metric)
    ]
    splits = ", ".join(dict.fromkeys(e.split for e in evaluations))
    return section(
        "metrics",
        "Held-out metrics",
        f"On the {splits} rows during training. A main metric counts from 0 to 1 when the best weights are chosen, so "
        "it stands here as it is counted; the small charts have each metric in its own unit.",
        *parts,
        grid(small),
    )


def weights(facts: Facts) -> Section | None:
    """λ over the steps; where none ever changes, a sentence says so."""
    found = {task: line for task, line in facts.training.weights.items() if len(line)}
    if not found:
        return None
    title, lead = "λ over the steps", "The weight of each task's loss in the update of each step."
    if all(line.constant for line in found.values()):
        said = ", ".join(f"{task} {number(line.last)}" for task, line in found.items())
        return section("weights", title, lead, element("p", f"Constant: {said}."))
    colours = slots(facts)
    curves = [smoothed(task, line, colours.get(task)) for task, line in found.items()]
    return section("weights", title, lead, _wide(facts, "λ", curves))


def rates(facts: Facts) -> Section | None:
    """Learning rates; groups that always have the same one share a line."""
    same: dict[tuple[tuple[float, float], ...], list[str]] = {}
    for group, line in facts.training.rates.items():
        if len(line):
            same.setdefault(tuple(line.points()), []).append(group)
    if not same:
        return None
    curves = [Curve(_groups(groups), points, i) for i, (points, groups) in enumerate(same.items())]
    return section(
        "rates",
        "Learning rates",
        "Of each group of parameters; groups with the same course share a line.",
        _wide(facts, "learning rate", curves),
    )


def norm(facts: Facts) -> Section | None:
    """The norm of the whole gradient, before it is clipped."""
    line = facts.training.norm
    if not len(line):
        return None
    clip = (facts.recipe.get("train") or {}).get("clip")
    said = f" It is clipped to {number(float(clip))}." if clip else ""
    drawn = lines.chart(
        "norm of the gradient", [smoothed("norm", line)], size=WIDE, marks=stage_marks(facts), span=all_steps(facts)
    )
    return section(
        "norm", "Gradient norm", f"Of the update's whole gradient, before clipping.{said}", figure("", drawn)
    )


def mix(facts: Facts) -> Section | None:
    """What each step was made of."""
    shares = facts.training.rows
    if not sum(shares.totals().values()):
        return None
    colours = slots(facts)
    drawn = areas.chart("share of rows by task", shares, colours, stage_marks(facts))
    return section(
        "mix",
        "The mix as it was",
        "Each task's share of the rows that were drawn. Where steps are measured in tokens, a task of long rows has "
        "fewer.",
        figure("", drawn, areas.legend(shares, colours)),
    )


def _wide(facts: Facts, name: str, curves: Sequence[Curve]) -> Markup:
    marks, span = stage_marks(facts), all_steps(facts)
    return figure(name, lines.chart(name, curves, size=WIDE, marks=marks, span=span, direct=True))


def _by_size(by_metric: Mapping[str, Line]) -> list[list[Curve]]:
    """Metrics that can share an axis: those within −1 to 1, and the others."""
    groups: dict[bool, list[Curve]] = {}
    for metric, line in by_metric.items():
        if len(line):
            group = groups.setdefault(line.low >= -1 and line.high <= 1, [])
            group.append(Curve(metric, line.points(), len(group), dots=True))
    return list(groups.values())


def _groups(names: list[str]) -> str:
    """A name for groups of parameters; one without weight decay goes with the one it was split from."""
    plain = [n for n in names if not (n.endswith(".undecayed") and n.removesuffix(".undecayed") in names)]
    heads = [n.removeprefix("heads.") for n in plain if n.startswith("heads.")]
    others = [n for n in plain if not n.startswith("heads.")]
    if len(others) > 3:
        others = [*others[:2], f"{len(others) - 2} more"]
    if len(heads) > 3:
        heads = [*heads[:2], f"{len(heads) - 2} more"]
    said = [*others, *(["heads: " + ", ".join(heads)] if heads else [])]
    return ", ".join(said)
