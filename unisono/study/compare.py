"""Compare: the tasks of a recipe learned together against each of them alone, at the same budget, over several seeds.

Every run lies in a folder of its own under ``RUN/compare`` and goes on by itself where it stopped; one that has
finished is not run again, nor scored again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unisono import files
from unisono.recipe import Recipe, RecipeError
from unisono.study import comparison, held_out
from unisono.study.budget import Budget, best_evaluation, evaluations, spent
from unisono.study.comparison import Seed
from unisono.study.difference import RESAMPLES
from unisono.study.errors import StudyError, in_one_process
from unisono.study.tidy import drop_checkpoints
from unisono.study.variants import alone, with_settings
from unisono.train.events import Listener
from unisono.train.run import train

FOLDER, RESULT = "compare", "compare.json"
RATES = (1 / 3, 1.0, 3.0)  # factors on the learning rates that --grid tries
WEIGHT = 3.0  # factor on one task's λ that --grid tries for the tasks together

OnRun = Callable[[str, int, int], Any]  # the run's name, its number from 1, how many there are at most


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
    if grid and recipe.balance.method == "auto":
        raise RecipeError(f"{where}: --grid and balance: auto both choose λ; leave one of them out")
        RecipeError, StudyError, TrainingFailed: it cannot be done. KeyboardInterrupt: a run was interrupted; the same
        call goes on from there.
    """
    in_one_process("compare")
    if len(recipe.tasks) < 2:
        raise RecipeError(f"{where}: compare needs two tasks at least: with one there is nothing to learn together")
    if seeds < 1:
        raise RecipeError(f"--seeds {seeds}: one seed at least, three or more to see what chance does")
    folder = recipe.folder / FOLDER
    if fresh and folder.exists():
        shutil.rmtree(folder)
    numbers = [(recipe.seed + k) % 2**32 for k in range(seeds)]
    count = len(recipe.tasks)
    most = seeds * (1 + count) + (len(RATES) - 1) * (1 + count) * grid + count * grid
    study = _Study(recipe, folder, _Runs(most, listeners, on_run, where))
    together, apart = study.choose(numbers[0]) if grid else ({}, {})
    found = [study.seed(number, together, apart) for number in numbers]
    whole = comparison.result(recipe, found, resamples=resamples)
    whole["settings"] = {"together": together, "alone": apart}
    files.write_atomic(folder / RESULT, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    return whole


class _Runs:
    """Trains runs, one after another."""

    def __init__(
        self, most: int, listeners: Callable[[], Sequence[Listener]], on_run: OnRun | None, where: str
    ) -> None:
        self.most, self.listeners, self.on_run, self.where = most, listeners, on_run, where
        self._done: set[Path] = set()

    def __call__(self, recipe: Recipe) -> Recipe:
        run = recipe.folder
        if run not in self._done and self.on_run:
            self.on_run(run.name, len(self._done) + 1, self.most)
        self._done.add(run)
        if train(recipe, listeners=self.listeners, where=self.where).reason == "interrupted":
            raise KeyboardInterrupt
        drop_checkpoints(run)
        return recipe


class _Study:
    """The runs of a comparison: which there are, in which folders, with which settings."""

    def __init__(self, recipe: Recipe, folder: Path, runs: _Runs) -> None:
        self.recipe, self.folder, self.runs = recipe, folder, runs

    def seed(self, number: int, together: Mapping[str, float], apart: Mapping[str, float]) -> Seed:
        """The tasks together, then each alone on the rows that it saw there.

        Args:
            together: factors on settings. ``apart``: task -> factor on its learning rates.
        """
        joint = self.together(number, together)
        budget = spent(joint.folder, self.recipe.tasks)
        for task, got in budget.items():
            if not got.rows:
                raise StudyError(f'task "{task}" got no row in {joint.folder}, so there is nothing to match')
        own = {task: self.alone(task, number, joint, got, apart.get(task, 1.0)) for task, got in budget.items()}
        for recipe in (joint, *own.values()):
            held_out.score(recipe)
        return Seed(joint, own, budget)

    def together(self, number: int, factors: Mapping[str, float]) -> Recipe:
        run = self.folder / f"joint{_suffix(factors)}-seed{number}"
        settings: dict[str, Any] = {path: _setting(self.recipe, path) * f for path, f in factors.items()}
        settings |= {"run": str(run), "seed": number, "tune": None, "balance.conflicts": True}
        return self.runs(with_settings(self.recipe, settings))

    def alone(self, task: str, number: int, joint: Recipe, budget: Budget, factor: float) -> Recipe:
        factors = _rates(self.recipe, factor, task)
        run = self.folder / f"alone-{task}{_suffix(factors)}-seed{number}"
        same = alone(
            self.recipe.model_copy(update={"seed": number}), task,
            steps=budget.steps, rows=budget.rows, evaluations=len(evaluations(joint.folder)), run=run,
        )  # fmt: skip
        return self.runs(with_settings(same, {path: _setting(same, path) * f for path, f in factors.items()}))

    def choose(self, number: int) -> tuple[dict[str, float], dict[str, float]]:
        """The best factors on validation rows, of one seed: for the tasks together, and on each task's rates alone."""
        tried = [_rates(self.recipe, factor) for factor in RATES]
        scores = [_validation(self.together(number, factors)) for factors in tried]
        rates, top = tried[_first_best(scores)], max(scores)
        best = rates
        for task in self.recipe.tasks:
            more = {**rates, f"tasks.{task}.weight": WEIGHT}
            score = _validation(self.together(number, more))
            if score > top:
                best, top = more, score
        joint = self.together(number, best)
        budget = spent(joint.folder, self.recipe.tasks)
        apart = {}
        for task in self.recipe.tasks:
            runs = [self.alone(task, number, joint, budget[task], factor) for factor in RATES]
            apart[task] = RATES[_first_best([_validation(run) for run in runs])]
        return best, apart


def _rates(recipe: Recipe, factor: float, task: str | None = None) -> dict[str, float]:
    """The learning rates of a recipe by their paths, each with the factor; none where it is 1."""
    paths = ["train.trunk_lr", "train.head_lr"]
    paths += [
        f"tasks.{name}.head.lr" for name, one in recipe.tasks.items() if one.head.get("lr") and task in (None, name)
    ]
    return dict.fromkeys(paths, factor) if factor != 1.0 else {}


def _setting(recipe: Recipe, path: str) -> float:
    node: Any = recipe.model_dump()
    for part in path.split("."):
        node = node[part]
    return float(node)


def _suffix(factors: Mapping[str, float]) -> str:
    """What tells a run with other settings by its name: -lr3, -ner-x3."""
    rate = next((f for path, f in factors.items() if path == "train.trunk_lr"), 1.0)
    weights = [f"-{path.split('.')[1]}-x{f:g}" for path, f in factors.items() if path.endswith(".weight")]
    return (f"-lr{rate:.2g}" if rate != 1.0 else "") + "".join(weights)


def _validation(recipe: Recipe) -> float:
    """The best mean of the main metrics that a run saw on validation rows."""
    best = best_evaluation(recipe.folder)
    if best is None:
        raise StudyError("--grid chooses on validation rows, and no task has any; give the data a validation split")
    return float(best["mean"])


def _first_best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda at: scores[at])
