"""Compare: the tasks of a recipe learned together against each of them alone, at the same budget, over several seeds.

What has been trained is not trained again, nor scored again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from unisono import files
from unisono.recipe import Recipe, RecipeError
from unisono.study import comparison, held_out
from unisono.study.comparison import Seed
from unisono.study.difference import RESAMPLES
from unisono.study.errors import in_one_process
from unisono.study.grid import choose, extra
from unisono.study.runs import FOLDER, Factors, OnRun, Runs, Trainer, seeds_of
from unisono.tasks import resolve
from unisono.train.events import Listener

RESULT = "compare.json"


def compare(
    recipe: Recipe,
    *,
    seeds: int = 3,
    grid: bool = False,
    resamples: int = RESAMPLES,
    fresh: bool = False,
    listeners: Callable[[], Sequence[Listener]] = tuple,
    on_run: OnRun | None = None,
    where: str = "recipe",
) -> dict[str, Any]:
    """Trains what is missing, and writes ``RUN/compare/compare.json``.

    Args:
        seeds: how many: the recipe's seed and those after it.
        grid: choose learning rates, and for the tasks together λ, on the validation rows of the first seed.
        resamples: of the bootstrap.
        fresh: delete what earlier comparisons left.
        listeners: makes what hears the events of each run.

    Returns:
        What was written: ``tasks``, ``seeds``, ``metric``, ``alone``, ``joint``, ``delta``, ``delta_m``, ``sentence``,
        ``conflicts`` and more.

    Raises:
        RecipeError, StudyError, TrainingFailed: it cannot be done. KeyboardInterrupt: a run was interrupted; the same
        call goes on from there.
    """
    in_one_process("compare")
    if len(recipe.tasks) < 2:
        raise RecipeError(f"{where}: compare needs two tasks at least: with one there is nothing to learn together")
    if seeds < 1:
        raise RecipeError(f"--seeds {seeds}: one seed at least, three or more to see what chance does")
    if grid and recipe.balance.method == "auto":
        raise RecipeError(f"{where}: --grid and balance: auto both choose λ; leave one of them out")
    resolve(recipe, where)  # before anything is deleted
    folder = recipe.folder / FOLDER
    if fresh and folder.exists():
        shutil.rmtree(folder)
    numbers, count = seeds_of(recipe, seeds), len(recipe.tasks)
    most = seeds * (1 + count) + grid * extra(count)
    runs = Runs(recipe, Trainer(most, listeners=listeners, on_run=on_run, where=where))
    together, apart = choose(runs, numbers[0]) if grid else ({}, {})
    found = [_seed(runs, number, together, apart) for number in numbers]
    whole = comparison.result(recipe, found, resamples=resamples)
    whole["settings"] = {"together": together, "alone": apart}
    files.write_atomic(folder / RESULT, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    return whole


def _seed(runs: Runs, number: int, together: Factors, apart: Factors) -> Seed:
    """The tasks together, then each alone on the rows that it saw there.

    Args:
        together: factors on settings. ``apart``: task -> factor on its learning rates.
    """
    joint = runs.together(number, together)
    own = {task: runs.alone(task, number, joint, apart.get(task, 1.0)) for task in runs.recipe.tasks}
    for recipe in (joint, *own.values()):
        held_out.score(recipe)
    return Seed(joint, own, runs.budget(joint))
