"""Tables: what studies found, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

MOST = 20  # trials in a table; all of them are in tune.json
_PERCENT = {"bleu", "chrf"}  # metrics of two places


def compared(result: Mapping[str, Any]) -> list[RenderableType]:
    """What ``compare`` returned: a table, the sentence, and warnings."""
    seeds = len(result["seeds"])
    over = f"{seeds} seeds, mean ± standard deviation" if seeds > 1 else "1 seed"
    table = Table(title=f"learned alone and together: {over}", title_justify="left", title_style="bold")
    for column in ("task", "metric", "rows seen", "alone", "together", "difference", "95 % interval"):
        table.add_column(column, justify="left" if column in ("task", "metric") else "right")
    for task in result["tasks"]:
        metric, delta = result["metric"][task], result["delta"][task]
        rows = round(mean(result["budget"][task]["rows"]))
        scores = [_spread(result[side][task], metric) for side in ("alone", "joint")]
        table.add_row(escape(task), f"{metric} ({result['split'][task]})", f"{rows:,}", *scores, *_change(delta))
    table.add_section()
    table.add_row("Δm", "", "", "", "", *_change(result["delta_m"]), style="bold")
    lines: list[RenderableType] = [table, Text(result["sentence"])]
    return lines + [Text(f"warning: {line}", style="yellow") for line in result["warnings"]]


def related(result: Mapping[str, Any]) -> list[RenderableType]:
    """What ``affinity`` returned: the matrix, and the groups that it suggests."""
    tasks = result["tasks"]
    title = f"a step on the row's task lowers the column's loss by, in 1/1000 of it ({result['looks']} looks)"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for task in tasks:
        table.add_column(escape(task), justify="right")
    for task, row, errors in zip(tasks, result["affinity"], result["deviation"], strict=True):
        table.add_row(
            escape(task), *(f"{1e3 * a:+.3g} ± {1e3 * e:.2g}" for a, e in zip(row, errors, strict=True)), style=""
        )
    groups = " | ".join(", ".join(group) for group in result["groups"])
    together = len(result["groups"]) == 1
    said = "learn all of them together" if together else f"learn them in {len(result['groups'])} groups: {groups}"
    verified = result["verify"]
    proof = "." if verified else ". That is a measurement of one run and no proof: --verify trains the groups."
    return [table, Text(f"By these affinities: {said}{proof}"), *(_verified(tasks, verified) if verified else ())]


def _verified(tasks: Sequence[str], found: Mapping[str, Any]) -> list[RenderableType]:
    """The groupings that were trained, and the sentence."""
    seeds = len(found["seeds"])
    over = f"{seeds} seeds, mean ± standard deviation" if seeds > 1 else "1 seed"
    title = f"groups trained at one budget: {over}; Δm against each alone"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("learned together")
    for task in tasks:
        table.add_column(f"{escape(task)}, {found['metric'][task]} ({found['split'][task]})", justify="right")
    for column in ("Δm, validation", "Δm", "95 % interval"):
        table.add_column(column, justify="right")
    for at, one in enumerate(found["groupings"]):
        scores = [_spread(one["scores"][task], found["metric"][task]) for task in tasks]
        alone = len(one["groups"]) == len(tasks)
        validation = "–" if alone or one["validation"] is None else f"{one['validation']:+.1f} %"
        changes = ("–", "–") if alone else _change(one["delta_m"])
        chosen = "bold" if at == found["chosen"] else ""
        table.add_row(escape(named(one["groups"])), *scores, validation, *changes, style=chosen)
    lines: list[RenderableType] = [table, Text(found["sentence"])]
    return lines + [Text(f"warning: {line}", style="yellow") for line in found["warnings"]]


def named(groups: Sequence[Sequence[str]]) -> str:
    """A grouping in words."""
    if len(groups) == 1:
        return "all together"
    return "each alone" if all(len(group) == 1 for group in groups) else " | ".join(", ".join(g) for g in groups)


def tuned(result: Mapping[str, Any]) -> list[RenderableType]:
    """What ``tune`` returned: the best trials, what mattered, and where the recipes are."""
    objectives, front = result["objectives"], set(result["pareto"])
    trials = sorted(result["trials"], key=lambda trial: (trial["values"] is None, -sum(trial["values"] or [0.0])))
    params = list(dict.fromkeys(path for trial in trials for path in trial["params"]))
    table = Table(title=f"{len(trials)} trials, the best first", title_justify="left", title_style="bold")
    table.add_column("trial", justify="right")
    table.add_column("")
    for name in objectives:
        table.add_column(escape(name), justify="right")
    for path in params:
        table.add_column(escape(path), justify="right")
    for trial in trials[:MOST]:
        values = [f"{value:.4f}" for value in trial["values"]] if trial["values"] else ["–"] * len(objectives)
        best = trial["number"] in front
        said = ("Pareto" if len(objectives) > 1 else "best") if best else "" if trial["values"] else trial["state"]
        settings = [_setting(trial["params"].get(path)) for path in params]
        table.add_row(str(trial["number"]), said, *values, *settings, style="bold" if best else "")
    lines: list[RenderableType] = [table]
    if len(trials) > MOST:
        lines.append(Text(f"and {len(trials) - MOST} more in tune.json", style="dim"))
    if result["importance"]:
        shares = " · ".join(f"{path} {share:.0%}" for path, share in result["importance"].items())
        lines.append(Text(f"what mattered: {shares}"))
    recipes = [result["recipes"][str(number)] for number in result["pareto"]]
    if recipes:
        lines.append(Text("next: " + "\n  or: ".join(f"unisono train {path}" for path in recipes)))
    return lines


def trial_line(trial: Mapping[str, Any], ended: int, of: int, objectives: Sequence[str]) -> str:
    """One line for a trial that has ended."""
    if trial["values"]:
        found = "  ".join(f"{name} {value:.4f}" for name, value in zip(objectives, trial["values"], strict=True))
    else:
        found = trial["state"] + (f": {trial['error']}" if "error" in trial else "")
    settings = "  ".join(f"{path}={_setting(value)}" for path, value in trial["params"].items())
    return f"trial {trial['number']}  ({ended} of {of})  {found}  {settings}"


def _spread(scores: Sequence[float], metric: str) -> str:
    places = 2 if metric in _PERCENT else 4
    spread = f" ± {stdev(scores):.{places}f}" if len(scores) > 1 else ""
    return f"{mean(scores):.{places}f}{spread}"


def _change(delta: Mapping[str, Any]) -> tuple[str, str]:
    if delta["mean"] is None:
        return "–", "–"
    sign = "green" if delta["low"] is not None and delta["low"] > 0 else ""
    sign = "red" if delta["high"] is not None and delta["high"] < 0 else sign
    change = f"{delta['mean']:+.1f} %"
    interval = "–" if delta["low"] is None else f"{delta['low']:+.1f} to {delta['high']:+.1f} %"
    return (f"[{sign}]{change}[/{sign}]" if sign else change), interval


def _setting(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else escape(str(value))
