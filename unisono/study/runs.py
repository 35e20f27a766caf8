"""Runs of a study: the tasks together, some of them in a group, and each alone, all at the budget of the first.

Every run lies in a folder of its own and goes on by itself where it stopped; one that has finished is not run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unisono.recipe import Recipe
from unisono.study.budget import Budget, evaluations, shared_rows, shared_steps, spent
from unisono.study.errors import StudyError
from unisono.study.tidy import drop_checkpoints
from unisono.study.variants import alone, grouped, rates, scaled, with_settings
from unisono.teach import train
from unisono.train.events import Listener

FOLDER = "compare"  # in the folder of the recipe's run: the tasks together and each alone
LONGEST = 80  # characters of a folder's name

Factors = Mapping[str, float]  # path of a setting -> factor on it
OnRun = Callable[[str, int, int], Any]  # the run's name, its number from 1, how many there are at most


class Trainer:
    """Trains runs, one after another.

    Args:
        most: how many there are at most.
        listeners: makes what hears the events of each run.
    """

    def __init__(
        self,
        most: int,
        *,
        listeners: Callable[[], Sequence[Listener]] = tuple,
        on_run: OnRun | None = None,
        where: str = "recipe",
    ) -> None:
        self.most, self.listeners, self.on_run, self.where = most, listeners, on_run, where
        self._done: set[Path] = set()

    def __call__(self, recipe: Recipe) -> Recipe:
        """The recipe, trained.

        Raises:
            KeyboardInterrupt: the run was interrupted; the same call goes on from there.
        """
        run = recipe.folder
        if run not in self._done and self.on_run:
            self.on_run(run.name, len(self._done) + 1, self.most)
        self._done.add(run)
        if train(recipe, listeners=self.listeners, where=self.where).reason == "interrupted":
            raise KeyboardInterrupt
        drop_checkpoints(run)
        return recipe


class Runs:
    """The runs of a recipe: in which folders, with which settings, at which budget.

    Args:
        groups: the folder for runs of groups.
        joint: a finished run of the tasks together that stands for that of its seed, where there is no other.
    """

    def __init__(self, recipe: Recipe, trained: Trainer, *, groups: Path | None = None, joint: Recipe | None = None):
        self.recipe, self.trained = recipe, trained
        self.folder = recipe.folder / FOLDER
        self.groups, self.joint = groups or self.folder, joint

    def together(self, seed: int, factors: Factors) -> Recipe:
        """All tasks.

        Args:
            factors: path of a setting -> factor on it.
        """
        run = self.folder / f"joint{_suffix(factors)}-seed{seed}"
        if self.joint and self.joint.seed == seed and not factors and not run.exists():
            return self.joint
        more = {"run": str(run), "seed": seed, "tune": None, "balance.conflicts": True}
        return self.trained(scaled(with_settings(self.recipe, more), factors))

    def group(self, tasks: Iterable[str], seed: int, joint: Recipe, factors: Factors) -> Recipe:
        """Some of the tasks, at the budget that they had in the run of all of them."""
        names = [task for task in self.recipe.tasks if task in set(tasks)]
        own = {path: f for path, f in factors.items() if not path.startswith("tasks.") or path.split(".")[1] in names}
        same = grouped(
            self.recipe.model_copy(update={"seed": seed}), names,
            steps=shared_steps(joint.folder, names),
            rows={task: got.rows for task, got in self.budget(joint).items() if task in names},
            shared=shared_rows(joint.folder),
            evaluations=len(evaluations(joint.folder)),
            run=self.groups / f"{_name(names)}{_suffix(own)}-seed{seed}",
        )  # fmt: skip
        return self.trained(scaled(same, own))

    def alone(self, task: str, seed: int, joint: Recipe, factor: float) -> Recipe:
        """One task, at the budget that it had in the run of all of them.

        Args:
            factor: on its learning rates.
        """
        factors, budget = rates(self.recipe, factor, task), self.budget(joint)[task]
        same = alone(
            self.recipe.model_copy(update={"seed": seed}), task,
            steps=budget.steps, rows=budget.rows, evaluations=len(evaluations(joint.folder)),
            run=self.folder / f"alone-{task}{_suffix(factors)}-seed{seed}",
        )  # fmt: skip
        return self.trained(scaled(same, factors))

    def budget(self, joint: Recipe) -> dict[str, Budget]:
        """What each task got in the run of all of them.

        Raises:
            StudyError: one got nothing.
        """
        found = spent(joint.folder, self.recipe.tasks)
        for task, got in found.items():
            if not got.rows:
                raise StudyError(f'task "{task}" got no row in {joint.folder}, so there is nothing to match')
        return found


def seeds_of(recipe: Recipe, count: int) -> list[int]:
    """The recipe's seed and those after it."""
    return [(recipe.seed + k) % 2**32 for k in range(count)]


def _suffix(factors: Factors) -> str:
    """What tells a run with other settings by its name: -lr3, -ner-x3."""
    rate = next((f for path, f in factors.items() if path == "train.trunk_lr"), 1.0)
    weights = [f"-{path.split('.')[1]}-x{f:g}" for path, f in factors.items() if path.endswith(".weight")]
    return (f"-lr{rate:.2g}" if rate != 1.0 else "") + "".join(weights)


def _name(tasks: Sequence[str]) -> str:
    """group-ner+pos; of very many tasks the first, how many more, and a digest."""
    whole = f"group-{'+'.join(tasks)}"
    if len(whole) <= LONGEST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"group-{tasks[0][: LONGEST - 30]}+{len(tasks) - 1}-{digest}"
