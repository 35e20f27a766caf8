"""Tune: searches better settings for a recipe, with several workers on one study, and writes the best as a recipe."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unisono import files
from unisono.recipe import Recipe, RecipeError
from unisono.study import storage
from unisono.study.errors import StudyError, in_one_process

if TYPE_CHECKING:
    from unisono.study.worker import Run

FOLDER, RECIPE = "tune", "recipe.yaml"

OnTrial = Callable[[dict[str, Any], int, int], Any]  # the trial, how many have ended, how many there will be


def tune(
    recipe: Recipe,
    *,
    workers: int = 1,
    fresh: bool = False,
    run: Run | None = None,
    command: Sequence[str] | None = None,
    on_trial: OnTrial | None = None,
    where: str = "recipe",
) -> dict[str, Any]:
    """Runs the trials that are missing, and writes ``RUN/tune/tune.json`` and the best recipe.

    Args:
        recipe: with a ``tune`` section.
        workers: processes on this machine; the same call elsewhere, on the same storage, adds more.
        fresh: delete the study and the runs of its trials.
        run: runs a trial of a single worker. ``command``: starts one of several, given a file with the recipe.
        on_trial: called with each trial that ends.

    Returns:
        What was written: ``tasks``, ``objectives``, ``trials``, ``best``, ``pareto``, ``importance``.

    Raises:
        RecipeError, StudyError: it cannot be done. KeyboardInterrupt: interrupted; the same call goes on from there.
    """
    in_one_process("tune")
    storage.need_optuna()
    from unisono.study import crew, results, spaces
    from unisono.study.worker import WORKERS, work

    if recipe.tune is None:
        example = "tune: {search: {train.trunk_lr: {log: [1e-5, 1e-3]}}}"
        raise RecipeError(f'{where}: there is no "tune" section to say what to search, such as {example}')
    if workers < 1:
        raise RecipeError(f"--workers {workers}: one at least")
    spaces.check(recipe, where)
    folder = recipe.folder / FOLDER
    if fresh:
        storage.forget_study(recipe, folder, where)
        shutil.rmtree(folder, ignore_errors=True)
    study = _open(recipe, folder, where)
    told = _Told(study, recipe, on_trial)
    try:
        if workers == 1:
            work(recipe, folder, run=run, on_end=told)
        else:
            crew.work_together(
                folder / RECIPE, folder / WORKERS, workers=workers, left=told, threads=recipe.train.threads,
                command=command or crew.COMMAND,
            )  # fmt: skip
    finally:
        result = results.write(study, recipe, folder)
    if not result["pareto"]:
        errors = [trial["error"] for trial in result["trials"] if "error" in trial]
        why = f"; the first said: {errors[0]}" if errors else ""
        raise StudyError(f"none of {len(result['trials'])} trials was completed{why}")
    return result


def _open(recipe: Recipe, folder: Path, where: str) -> Any:
    """The study, and beside it the recipe for workers to read."""
    from unisono.study.presence import one_at_a_time

    with one_at_a_time(folder / ".opening"):  # two calls at once would both make the tables
        study = storage.open_study(recipe, folder, where)
        files.write_atomic(folder / RECIPE, recipe.model_copy(update={"run": str(recipe.folder.absolute())}).to_yaml())
    return study


class _Told:
    """Tells of each trial that has ended since the last look."""

    def __init__(self, study: Any, recipe: Recipe, on_trial: OnTrial | None) -> None:
        self.study, self.recipe, self.on_trial = study, recipe, on_trial
        self._known = {trial["number"] for trial in self._ended()}

    def __call__(self) -> int:
        """How many trials are still to end."""
        assert self.recipe.tune is not None
        ended, of = self._ended(), self.recipe.tune.count
        for trial in ended:
            if trial["number"] not in self._known:
                self._known.add(trial["number"])
                if self.on_trial:
                    self.on_trial(trial, len(self._known), of)
        return of - len(ended)

    def _ended(self) -> list[dict[str, Any]]:
        from unisono.study.claims import FINAL
        from unisono.study.results import trials

        return [trial for trial in trials(self.study, self.recipe) if trial["state"] in FINAL]
