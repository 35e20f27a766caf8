"""Variants of a recipe: other settings by their paths, some of its tasks in a group, and one of them alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from unisono.recipe import Recipe, build
from unisono.tasks import resolve

TOGETHER = ("balance", "mix", "stages", "tune")  # parts of a recipe that say how tasks learn together
STAYS = {"patience": None, "when_done": "stop"}  # a task does not leave: what it had among others allows for that


def with_settings(recipe: Recipe, settings: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """The recipe with other settings, checked anew.

    Args:
        settings: path -> value, as ``{"tasks.ner.weight": 0.5}``. A path above another is set first.

    Raises:
        RecipeError: a path that is none, or a value that does not fit.
    """
    ordered = sorted(settings.items(), key=lambda pair: pair[0].count("."))
    overrides = [f"{path}={yaml.safe_dump(value, default_flow_style=True, width=math.inf)}" for path, value in ordered]
    return build(recipe.model_dump(mode="json"), overrides=overrides, where=where)


def scaled(recipe: Recipe, factors: Mapping[str, float]) -> Recipe:
    """The recipe with numbers multiplied: path -> factor."""
    raw = recipe.model_dump()
    return with_settings(recipe, {path: _at(raw, path) * factor for path, factor in factors.items()})


def rates(recipe: Recipe, factor: float, task: str | None = None) -> dict[str, float]:
    """The learning rates of a recipe by their paths, each with the factor; none where it is 1.

    Args:
        task: of the heads, that of this task alone.
    """
    paths = ["train.trunk_lr", "train.head_lr"]
    paths += [
        f"tasks.{name}.head.lr" for name, one in recipe.tasks.items() if one.head.get("lr") and task in (None, name)
    ]
    return dict.fromkeys(paths, factor) if factor != 1.0 else {}


def grouped(
    recipe: Recipe,
    tasks: Sequence[str],
    *,
    steps: int,
    rows: Mapping[str, int],
    shared: Mapping[tuple[str, ...], int],
    evaluations: int,
    run: Path,
) -> Recipe:
    """The recipe of some tasks without the others: as ``alone``, but balanced as the recipe says; without stages.

    Args:
        rows: row draws of each task, over all steps; their shares are the mix.
        shared: of all tasks, those whose labels stand on the same rows -> how many rows were drawn for them.
    """
    raw = recipe.model_dump(mode="json")
    drawn, total = dict(rows), sum(rows[task] for task in tasks)
    for members, count in shared.items():
        own = [task for task in members if task in tasks]
        if len(own) > 1:
            # Rows that carry none of these tasks' labels are not drawn; how many have two of them is not known.
            each = sum(rows[task] for task in own)
            drawn |= dict.fromkeys(own, min(count, each))
            total += min(count, each) - each
    one = recipe.mix.step == "one" or recipe.mix.by == "round-robin"
    mix = raw["mix"] | {
        "by": "weights",
        "weights": {task: drawn[task] for task in tasks},
        "step": "one" if one else "all",
        "share_rows": False
        if recipe.mix.share_rows is False
        else None,  # true is an error where no two tasks are left to share any
    }
    kept = {task: {**raw["tasks"][task], **STAYS} for task in tasks}
    beside = _beside(recipe, tasks)
    train = raw["train"] | _length(steps, total, evaluations)
    own_parts = {"tasks": kept, "beside": beside, "stems": _stems(recipe, tasks), "mix": mix, "train": train}
    return build({**raw, "run": str(run), "stages": [], "tune": None, **own_parts})


def alone(recipe: Recipe, task: str, *, steps: int, rows: int, evaluations: int, run: Path) -> Recipe:
    """The recipe of one task by itself, with the trunk, the learning rates and their schedule that it has among others.

    A task's rows come in an order that depends on the seed and the task's name alone, so ``rows`` draws are the very
    rows that it saw among the others.

    Args:
        steps: optimizer steps. ``rows``: row draws of the task, over all of them.
        evaluations: how often the best weights are chosen from, at most.
        run: the folder of its run.
    """
    raw = {key: value for key, value in recipe.model_dump(mode="json").items() if key not in TOGETHER}
    raw["run"] = str(run)
    raw["tasks"] = {task: {**raw["tasks"][task], **STAYS, "weight": 1.0}}  # nothing to be weighed against
    raw["beside"] = _beside(recipe, [task])
    raw["stems"] = _stems(recipe, [task])
    raw["train"] |= _length(steps, rows, evaluations)
    return build(raw)


def _beside(recipe: Recipe, tasks: Sequence[str]) -> dict[str, Any]:
    return {name: task.model_dump(mode="json") for name, task in recipe.others(tasks).items()}


def _stems(recipe: Recipe, tasks: Sequence[str]) -> dict[str, Any]:
    """What the recipe says of the stems that these tasks read through; to name another is an error."""
    if not recipe.stems:
        return {}
    resolved = resolve(recipe)
    needed = {stem for task in tasks for stem in resolved[task].stems}
    return {name: said for name, said in recipe.model_dump(mode="json")["stems"].items() if name in needed}


def _length(steps: int, rows: int, evaluations: int) -> dict[str, Any]:
    """The settings of a run of so many steps and rows."""
    return {
        "epochs": None,
        "minutes": None,
        "tokens_per_step": None,
        "steps": steps,
        "rows_per_step": rows / steps,
        "evaluate_every": math.ceil(steps / max(evaluations, 1)),
    }


def _at(raw: Any, path: str) -> float:
    for part in path.split("."):
        raw = raw[part]
    return float(raw)
