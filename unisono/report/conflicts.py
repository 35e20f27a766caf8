"""Conflicts: where in the trunk which tasks' gradients pull against one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unisono.report import heat, lines
from unisono.report.axes import WIDE
from unisono.report.facts import Facts
from unisono.report.formats import signed
from unisono.report.gradients import WHOLE, Gradients
from unisono.report.lines import smoothed
from unisono.report.markup import Markup, element, join
from unisono.report.section import Section, all_steps, figure, grid, section, slots, stage_marks

PAIRS = 24  # pairs in the map by layer; of more, the most opposed
MATRIX = 12  # so many tasks have a matrix at every layer; more, one of all layers
LARGEST = 40  # tasks in a matrix


def conflicts(facts: Facts) -> Section | None:
    """Cosines between the tasks' gradients, by layer, and over the steps."""
    found = facts.training.gradients
    if not found.pairs() and not found.norms:
        return None
    return section(
        "conflicts",
        "Gradient conflicts",
        f"The cosine between two tasks' gradients on the shared weights, mean of {found.looks:,} looks: "
        "1, they want the same; 0, they do not meddle; −1, what helps one undoes the other.",
        _by_layer(found) if found.pairs() else None,
        matrices(found.tasks, _means(found)) if len(found.tasks) > 3 and found.pairs() else None,
        _course(facts, found),
        _norms(facts, found),
    )


def _by_layer(found: Gradients) -> Markup:
    pairs = found.pairs()
    shown = pairs[:PAIRS]
    title = "by pair and layer" + (f": the {PAIRS} most opposed of {len(pairs)} pairs" if len(pairs) > PAIRS else "")
    layers = found.layers
    values = [[found.mean(layer, *pair) for layer in layers] for pair in shown]
    names = [f"{one} · {other}" for one, other in shown]

    def say(i: int, j: int) -> str:
        tally = found.tally(layers[j], *shown[i])
        seen = f", below 0 in {tally.opposed} of {tally.count}" if tally else ""
        return f"{names[i]}, {layers[j]}{seen}"

    drawn = heat.chart("cosine by pair and layer", names, layers, values, say=say)
    return figure(title, drawn, heat.key(1.0, "opposed", "the same way"))


def matrices(tasks: Sequence[str], layers: Mapping[str, Sequence[Sequence[float | None]]]) -> Markup:
    """Cosines of every task with every other, at each layer, or of very many tasks at all layers together."""
    shown = tasks[:LARGEST]
    few = len(tasks) <= MATRIX
    figures = [
        figure(
            layer,
            heat.chart(
                f"cosines at {layer}",
                shown,
                shown,
                [[None if i == j else matrix[i][j] for j in range(len(shown))] for i in range(len(shown))],
                cell=max(18.0, min(40.0, 300.0 / len(shown))),
            ),
        )
        for layer, matrix in layers.items()
        if few or layer == WHOLE
    ]
    return grid(figures) if few else join(figures)


def _means(found: Gradients) -> dict[str, list[list[float | None]]]:
    tasks = found.tasks
    return {layer: [[found.mean(layer, a, b) for b in tasks] for a in tasks] for layer in found.layers}


def _course(facts: Facts, found: Gradients) -> Markup | None:
    course = {name: line for name, line in found.course.items() if len(line) > 1}
    if not course:
        return None
    curves = [smoothed(name, line, i) for i, (name, line) in enumerate(course.items())]
    drawn = lines.chart(
        "cosine over the steps",
        curves,
        size=WIDE,
        within=(-0.1, 0.1),
        marks=stage_marks(facts),
        span=all_steps(facts),
        direct=True,
    )
    return figure("over the steps, all layers together", drawn)


def _norms(facts: Facts, found: Gradients) -> Markup | None:
    """How large each task's gradient is: the largest leads a plain sum."""
    norms = {task: line for task, line in found.norms.items() if len(line) > 1}
    if not norms:
        return None
    colours = slots(facts)
    curves = [smoothed(task, line, colours.get(task)) for task, line in norms.items()]
    drawn = lines.chart(
        "norms of gradients", curves, size=WIDE, marks=stage_marks(facts), span=all_steps(facts), direct=True
    )
    return figure("norm of each task's gradient, all layers together", drawn)


def listed(pairs: list[tuple[list[str], list[str], float | None]]) -> Markup:
    """Conflicts in words: (tasks, layers, cosine)."""
    items = [
        f"{' and '.join(tasks)} oppose one another in {', '.join(layers) or 'all layers'}"
        + (f" (cosine {signed(cosine)})" if cosine is not None else "")
        for tasks, layers, cosine in pairs
    ]
    return element("ul", *(element("li", item) for item in items))
