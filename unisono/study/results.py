"""Results of a search: its trials, the best of them, what mattered, and recipes to train."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from unisono import files
from unisono.recipe import Recipe
from unisono.study import spaces
from unisono.study.claims import ERROR, attempts, decisive, state
from unisono.study.variants import with_settings

RESULT = "tune.json"
Trial = dict[str, Any]  # number, state, values (one an objective; None unless complete), params, and error if it failed


def trials(study: Any, recipe: Recipe) -> list[Trial]:
    """The trials of a study that have begun, in order."""
    assert recipe.tune is not None
    out = []
    for number, found in sorted(attempts(study).items()):
        if number >= recipe.tune.count:  # of an earlier call that asked for more
            continue
        attempt, how = decisive(found), state(found)
        values = list(attempt.values) if attempt and how == "complete" else None
        params = spaces.settings(recipe.tune.search, attempt.params if attempt else {})
        out.append({"number": number, "state": how, "values": values, "params": params})
        if attempt and ERROR in attempt.user_attrs:
            out[-1]["error"] = attempt.user_attrs[ERROR]
    return out


def pareto(found: Sequence[Trial]) -> list[int]:
    """The numbers of the complete trials that no other surpasses in one objective without falling behind in another.

    Of one objective: the best trial alone, the first of equals.
    """
    complete = [trial for trial in found if trial["state"] == "complete"]
    if complete and len(complete[0]["values"]) == 1:
        return [max(complete, key=lambda trial: (trial["values"][0], -trial["number"]))["number"]]
    return [a["number"] for a in complete if not any(_dominates(b["values"], a["values"]) for b in complete)]


def write(study: Any, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Writes tune.json as far as the search has come, and a recipe for the best trial or each on the Pareto front."""
    assert recipe.tune is not None
    found = trials(study, recipe)
    by_number, front = {trial["number"]: trial for trial in found}, pareto(found)
    for old in folder.glob("best*.yaml"):
        old.unlink()
    written = {}
    for at, number in enumerate(front, 1):
        name = "best" if len(recipe.tune.objectives) == 1 else f"best-{at}"
        written[number] = folder / f"{name}.yaml"
        files.write_atomic(written[number], _recipe_of(recipe, by_number[number], written[number], name))
    best = max(front, key=lambda number: sum(by_number[number]["values"]), default=None)
    result = {
        "tasks": list(recipe.tasks),
        "objectives": recipe.tune.objectives,
        "trials": found,
        "best": {} if best is None else {**by_number[best], "recipe": str(written[best])},
        "pareto": front,
        "recipes": {str(number): str(path) for number, path in written.items()},
        "importance": _importance(study, recipe),
    }
    files.write_atomic(folder / RESULT, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


def _recipe_of(recipe: Recipe, trial: Trial, path: Path, name: str) -> str:
    assert recipe.tune is not None
    named = zip(recipe.tune.objectives, trial["values"], strict=True)
    scores = " · ".join(f"{objective} {value:.4f}" for objective, value in named)
    changed = {**trial["params"], "tune": None, "run": f"{recipe.folder}-{name}"}
    head = f"# unisono train {path}\n#\n# Trial {trial['number']} of unisono tune; on the validation rows: {scores}\n"
    return head + with_settings(recipe, changed).to_yaml()


def _importance(study: Any, recipe: Recipe) -> dict[str, float]:
    """Each setting's share in what made the values differ: fANOVA, Hutter et al. 2014
    (https://proceedings.mlr.press/v32/hutter14.html), the mean over objectives; empty where too little is known.
    """
    assert recipe.tune is not None
    shares: dict[str, list[float]] = {}
    for at in range(len(recipe.tune.objectives)):
        try:
            found: Mapping[str, float] = optuna.importance.get_param_importances(
                study,
                evaluator=optuna.importance.FanovaImportanceEvaluator(seed=recipe.seed),
                target=lambda attempt, at=at: attempt.values[at],
            )
        except (ValueError, RuntimeError):  # too few complete trials, or all with one value
            return {}
        for path, share in found.items():
            shares.setdefault(path, []).append(float(share))
    means = {path: sum(values) / len(values) for path, values in shares.items()}
    return {path: share for path, share in sorted(means.items(), key=lambda pair: -pair[1]) if math.isfinite(share)}
