"""Studied: what compare, affinity and tune found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from unisono.report import heat, intervals, scatter
from unisono.report.conflicts import listed, matrices
from unisono.report.facts import Facts
from unisono.report.formats import any_value, exact, mean_of, number, percent, signed
from unisono.report.intervals import Estimate
from unisono.report.markup import Markup, element, table
from unisono.report.results import Affinity, Compare, Interval, Trial, Tune
from unisono.report.scatter import Dot
from unisono.report.section import Section, figure, section
from unisono.report.verified import verified

TRIALS = 30  # trials that are listed
PLANES = 6  # pairs of objectives that are drawn


def compare(facts: Facts) -> Section | None:
    """Each task alone against all together."""
    found = facts.compare
    if found is None:
        return None
    estimates = [e for task in found.tasks if (e := _estimate(task, found.delta.get(task)))]
    whole = _estimate("Δm, all tasks", found.delta_m)
    shown = [*estimates, *([whole] if whole else [])]
    seeds = f" over {len(found.seeds)} seed{'s' if len(found.seeds) != 1 else ''}" if found.seeds else ""
    conflicting = [(c.tasks, c.layers, c.cosine) for c in found.conflicts]
    return section(
        "compare",
        "Together against alone",
        f"Difference of joint training from each task trained alone at the same budget{seeds}, in % of alone, signed "
        "so that + is better. Δm is the mean over the tasks.",
        element("p", found.sentence, class_="verdict") if found.sentence else None,
        element("ul", *(element("li", line) for line in found.warnings)) if found.warnings else None,
        figure("", intervals.chart("differences", shown, "% better than alone")) if shown else None,
        _differences(found, {e.name: e for e in estimates}, whole),
        element("h3", "Where gradients conflict") if conflicting else None,
        listed(conflicting) if conflicting else None,
    )


def affinity(facts: Facts) -> Section | None:
    """Which task helps which."""
    found = facts.affinity
    if found is None:
        return None
    off = [
        abs(value)
        for i, row in enumerate(found.affinity)
        for j, value in enumerate(row)
        if value is not None and i != j
    ]
    limit = max(off, default=0.0) or 1.0
    tasks = found.tasks
    drawn = heat.chart(
        "affinity",
        [f"update on {task}" for task in tasks],
        tasks,
        found.affinity,
        limit=limit,
        say=lambda i, j: f"an update on {tasks[i]}, the loss of {tasks[j]}",
        cell=max(14.0, min(64.0, 560.0 / max(1, len(tasks)))),
    )
    return section(
        "affinity",
        "Affinity",
        "How an update on one task (row) changes the loss of another (column): above 0 it lowers it and so helps. "
        "Fifty et al. 2021.",
        figure("effect on the loss of", drawn, heat.key(limit, "hurts", "helps")),
        _groups(found),
        _layers(found),
        verified(found.verify, tasks) if found.verify else None,
    )


def tune(facts: Facts) -> Section | None:
    """The trials of a search, and those that no other beats."""
    found = facts.tune
    if found is None:
        return None
    states: dict[str, int] = {}
    for trial in found.trials:
        states[trial.state or "run"] = states.get(trial.state or "run", 0) + 1
    said = ", ".join(f"{count} {state.lower()}" for state, count in states.items())
    best = found.best or {}
    return section(
        "tune",
        "Trials",
        f"{len(found.trials)} recipes tried ({said}); objectives: {', '.join(found.objectives)}.",
        *_planes(found),
        element("h3", "Best") if best else None,
        _settings(best) if best else None,
        element("h3", "Trials that no other beats in every objective") if found.pareto else None,
        _trials(found, [t for t in found.trials if t.number in set(found.pareto)]) if found.pareto else None,
        element("h3", "What mattered") if found.importance else None,
        _importance(found.importance) if found.importance else None,
        element("details", element("summary", "all trials"), _trials(found, found.trials)),
    )


def _estimate(name: str, interval: Interval | None) -> Estimate | None:
    if interval is None or interval.mean is None:
        return None
    return Estimate(name, interval.mean, interval.low, interval.high)


def _differences(found: Compare, estimates: Mapping[str, Estimate], whole: Estimate | None) -> Markup:
    rows: list[list[Any]] = []
    for task in found.tasks:
        e = estimates.get(task)
        named = (found.metric.get(task), found.split.get(task))
        alone, joint = found.alone.get(task, []), found.joint.get(task, [])
        rows.append([task, ", ".join(filter(None, named)) or "–", mean_of(alone), mean_of(joint), *_delta(e)])
    if whole:
        rows.append([element("b", "Δm"), "", "", "", *_delta(whole)])
    columns = ["task", "metric", "alone", "together", "difference, %", "interval", ""]
    return table(columns, rows, numbers=(2, 3, 4, 5))


def _delta(e: Estimate | None) -> list[Any]:
    if e is None:
        return ["–", "–", ""]
    known = e.low is not None and e.high is not None
    return [signed(e.mean), f"{signed(e.low)} to {signed(e.high)}" if known else "–", e.verdict]


def _groups(found: Affinity) -> Markup | None:
    if not found.groups:
        return None
    groups = [element("li", ", ".join(group)) for group in found.groups]
    gain = f" (estimated gain {number(found.gain)})" if found.gain is not None else ""
    return element("div", element("h3", f"Proposed groups{gain}"), element("ol", *groups))


def _layers(found: Affinity) -> Markup | None:
    """Cosines of the tasks' gradients, as affinity measured them."""
    if not found.cosines:
        return None
    return element("div", element("h3", "Cosines between gradients, by layer"), matrices(found.tasks, found.cosines))


def _planes(found: Tune) -> list[Markup]:
    """One objective over the trials, or objectives against one another, two by two."""
    best = {found.best["number"]} if found.best and "number" in found.best else set()
    front = set(found.pareto) or best
    done = [(t, found.values(t)) for t in found.trials]
    names = found.objectives
    if len(names) == 1:
        dots = [Dot(t.number, v, _said(found, t), t.number in front) for t, (v,) in done if v is not None]
        if not dots:
            return []
        drawn = scatter.chart("score by trial", dots, x_label="trial", y_label=names[0], whole=True)
        return [figure(f"{names[0]} of each trial", drawn)]
    charts = []
    for i, j in list(combinations(range(len(names)), 2))[:PLANES]:
        dots = [
            Dot(x, y, _said(found, t), t.number in front)
            for t, values in done
            if (x := values[i]) is not None and (y := values[j]) is not None
        ]
        if dots:
            drawn = scatter.chart(
                f"{names[i]} against {names[j]}",
                dots,
                x_label=names[i],
                y_label=names[j],
                joined=len(names) == 2,
            )
            charts.append(figure(f"{names[j]} against {names[i]}", drawn))
    return [element("div", *charts, class_="figures large")] if charts else []


def _said(found: Tune, trial: Trial) -> str:
    scores = [f"{name} {number(value)}" for name, value in zip(found.objectives, found.values(trial), strict=True)]
    return "\n".join([f"trial {trial.number}", *scores, *(f"{k} = {any_value(v)}" for k, v in trial.params.items())])


def _trials(found: Tune, trials: Sequence[Trial]) -> Markup:
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    rows = [
        [
            t.number,
            _state(t),
            *map(exact, found.values(t)),
            *(any_value(t.params.get(name)) for name in params),
        ]
        for t in trials[:TRIALS]
    ]
    more = element("p", f"and {len(trials) - TRIALS} more in tune.json") if len(trials) > TRIALS else None
    numbers = range(2, 2 + len(found.objectives))
    return element("div", table(["trial", "state", *found.objectives, *params], rows, numbers=numbers), more)


def _state(trial: Trial) -> str:
    return (trial.state.lower() or "–") + (f": {trial.error}" if trial.error else "")


def _importance(importance: Mapping[str, float | None]) -> Markup:
    """Shares of the score's variation, as bars."""
    known = sorted(((share, name) for name, share in importance.items() if share is not None), reverse=True)
    rows = [
        [name, element("span", class_="bar", style=f"width: {max(0.0, min(1.0, share)) * 160:.0f}px"), percent(share)]
        for share, name in known
    ]
    return table(["setting", "", "share"], rows, numbers=(2,))


def _settings(found: Mapping[str, Any]) -> Markup:
    """A nested mapping as a table of paths and values."""
    return table(["", "value"], [[path, any_value(value)] for path, value in _flat(found)])


def _flat(found: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for name, value in found.items():
        path = f"{before}{name}"
        out += _flat(value, f"{path}.") if isinstance(value, Mapping) else [(path, value)]
    return out
