"""Headline: what the run was, how far it came, and its best scores."""

from __future__ import annotations

from typing import Any

from unisono.report.facts import Facts
from unisono.report.formats import any_value, duration, exact, large, percent
from unisono.report.markup import Markup, element, table
from unisono.report.section import Section, section
from unisono.report.training import NOT_SCORES, Evaluation


def name_of(facts: Facts) -> str:
    """The run's name: of its recipe, or else of its folder."""
    return str(facts.recipe.get("name") or facts.run.resolve().name)


def headline(facts: Facts) -> Section | None:
    """There wherever something was trained."""
    if not facts.trained:
        return None
    return section("run", "The run", "", _tiles(facts), _tasks(facts))


def best_scores(facts: Facts) -> Section | None:
    """The scores of the model that the run keeps, and of the latest evaluation if that is another."""
    training = facts.training
    evaluations = training.evaluations
    best = next((e for e in reversed(evaluations) if e.best), None)
    ended = facts.finished or training.ended
    scores = (ended.scores if ended else {}) or (best.scores if best else {})
    if not scores:
        return None
    last = evaluations[-1] if evaluations and evaluations[-1] != best else None
    rows, parts = _score_rows(scores, last)
    columns = ["task", "metric", f"best (step {best.step:,})" if best else "best"]
    columns += [f"latest (step {last.step:,})"] if last else []
    numbers = range(2, len(columns))
    split = best.split if best else "held-out"
    return section(
        "scores",
        "Best scores",
        f"On the {split} rows, of the weights that the run keeps: those with the best mean over the tasks.",
        table(columns, rows, numbers=numbers),
        element("details", element("summary", "by part"), table(columns, parts, numbers=numbers)) if parts else None,
    )


def _score_rows(scores: dict[str, dict[str, float | None]], last: Evaluation | None) -> tuple[list[Any], list[Any]]:
    """Table rows of whole scores, and of those of a part, such as ``f1/PER``."""
    whole: list[Any] = []
    parts: list[Any] = []
    for task, values in scores.items():
        named: set[bool] = set()
        for metric, value in values.items():
            if metric in NOT_SCORES:
                continue
            is_part = "/" in metric
            row = ["" if is_part in named else task, metric, exact(value)]
            row += [exact(last.scores.get(task, {}).get(metric))] if last else []
            named.add(is_part)
            (parts if is_part else whole).append(row)
    return whole, parts


def _tiles(facts: Facts) -> Markup:
    training = facts.training
    started = training.started
    ended = facts.finished or training.ended
    planned, learning = started.get("steps"), started.get("learning")
    seconds = (ended.seconds if ended else None) or training.seconds
    recipe = facts.recipe
    shown: list[tuple[str, str | None]] = [
        ("state", _state(facts)),
        ("steps", f"{training.step:,}" + (f" of {planned:,}" if planned and planned != training.step else "")),
        ("training time", duration(seconds)),
        ("tokens", large(training.tokens) if training.tokens else None),
        ("speed", f"{training.tokens / training.seconds:,.0f} tokens/s" if training.seconds else None),
        ("parameters", large(started["parameters"]) if started.get("parameters") else None),
        ("of them learn", large(learning) if learning and learning < started["parameters"] else None),
        ("device", " ".join(str(started[k]) for k in ("device", "precision") if started.get(k)) or None),
        ("balance", _name(recipe.get("balance"), "method")),
        ("mix", _name(recipe.get("mix"), "by")),
        ("seed", any_value(recipe["seed"]) if "seed" in recipe else None),
    ]
    tiles = [element("div", element("dt", what), element("dd", value), class_="tile") for what, value in shown if value]
    return element("dl", *tiles, class_="tiles")


def _state(facts: Facts) -> str:
    if facts.finished:
        state = "finished"
    elif facts.training.ended:
        state = facts.training.ended.reason
    else:
        state = "not finished"
    times = facts.training.resumed
    return state + (f", resumed {'once' if times == 1 else f'{times} times'}" if times else "")


def _name(value: Any, *keys: str) -> str | None:
    """A choice of the recipe, written as a name or as a mapping with one."""
    if isinstance(value, dict):
        value = next((value[key] for key in keys if key in value), None)
    return None if value is None else str(value)


def _tasks(facts: Facts) -> Markup | None:
    """Each task with its kind and its rows, and how many rows were drawn."""
    training = facts.training
    if not training.tasks:
        return None
    about = {task: dict(training.started.get("tasks", {}).get(task) or {}) for task in training.tasks}
    splits = list(dict.fromkeys(split for facts_of in about.values() for split in facts_of.get("rows") or {}))
    drawn = training.rows.totals()
    every = sum(drawn.values())
    rows = []
    for task, facts_of in about.items():
        counts = facts_of.get("rows") or {}
        row = [task, facts_of.get("kind", "–"), *(f"{counts[s]:,}" if s in counts else "–" for s in splits)]
        rows.append([*row, f"{drawn.get(task, 0):,.0f}", percent(drawn.get(task, 0.0) / every) if every else "–"])
    columns = ["task", "kind", *(f"{split} rows" for split in splits), "rows drawn", "share"]
    return table(columns, rows, numbers=range(2, len(columns)))
