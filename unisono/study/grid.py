"""Grid: the best of a few learning rates and λ, on the validation rows of one seed, for each side of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from unisono.recipe import Recipe
from unisono.study.budget import best_evaluation
from unisono.study.errors import StudyError
from unisono.study.runs import Runs
from unisono.study.variants import rates

RATES = (1 / 3, 1.0, 3.0)  # factors on the learning rates
WEIGHT = 3.0  # factor on one task's λ, for the tasks together


def extra(tasks: int) -> int:
    """How many runs of so many tasks it takes, beside those of the comparison."""
    return (len(RATES) - 1) * (1 + tasks) + tasks


def choose(runs: Runs, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """The best factors: on settings, for the tasks together; and task -> on its learning rates, alone."""
    tried = [rates(runs.recipe, factor) for factor in RATES]
    scores = [_validation(runs.together(seed, factors)) for factors in tried]
    chosen, top = tried[_first_best(scores)], max(scores)
    best = chosen
    for task in runs.recipe.tasks:
        more = {**chosen, f"tasks.{task}.weight": WEIGHT}
        score = _validation(runs.together(seed, more))
        if score > top:
            best, top = more, score
    joint = runs.together(seed, best)
    apart = {}
    for task in runs.recipe.tasks:
        scores = [_validation(runs.alone(task, seed, joint, factor)) for factor in RATES]
        apart[task] = RATES[_first_best(scores)]
    return best, apart


def _validation(recipe: Recipe) -> float:
    """The best mean of the main metrics that a run saw on validation rows."""
    best = best_evaluation(recipe.folder)
    if best is None:
        raise StudyError("--grid chooses on validation rows, and no task has any; give the data a validation split")
    return float(best["mean"])


def _first_best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda at: scores[at])
