"""Variants of a recipe: other settings by their paths, and one of its tasks alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from unisono.recipe import Recipe, build

TOGETHER = ("balance", "mix", "stages", "tune")  # parts of a recipe that say how tasks learn together


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
    # One task has nothing to be weighed against, and it does not leave: the others' budget has been taken off already.
    raw["tasks"] = {task: {**raw["tasks"][task], "weight": 1.0, "patience": None, "when_done": "stop"}}
    raw["train"] |= {
        "epochs": None,
        "minutes": None,
        "tokens_per_step": None,
        "steps": steps,
        "rows_per_step": rows / steps,
        "evaluate_every": math.ceil(steps / max(evaluations, 1)),
    }
    return build(raw)
