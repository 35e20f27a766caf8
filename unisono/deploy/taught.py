"""taught: from a recipe with teachers to its student and to the loss that training is handed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from unisono.deploy.distill import Distillation
from unisono.deploy.sequences import rewritten, role_of
from unisono.model import MultiTaskModel
from unisono.origin import model_folder, teacher
from unisono.prepare import Tables, build_model
from unisono.recipe import Distill, Recipe, RecipeError, nearest
from unisono.saved import WEIGHTS, ModelError


def prepared(recipe: Recipe, tables: Tables) -> tuple[Tables, MultiTaskModel, Distillation]:
    """The rows that the student learns from, the student before training, and its lesson.

    Raises:
        RecipeError: a teacher that is not there, or does not know its task.
    """
    assert recipe.distill
    teachers = load(recipe.distill, list(recipe.tasks))
    if recipe.distill.sequences:
        tables = _rewritten(recipe, recipe.distill, tables, teachers)
    model = build_model(recipe, tables, teachers)
    said = {run: fingerprint(run) for name in teachers if (run := recipe.distill.of(name))}
    return tables, model, Distillation(recipe.distill, model, teachers, " ".join(said.values()))


def load(wanted: Distill, tasks: list[str]) -> dict[str, MultiTaskModel]:
    """task -> its teacher, each model loaded once; tasks that learn from labels alone have none.

    Raises:
        RecipeError: there is no such model, or it does not know the task.
    """
    known: dict[str, MultiTaskModel] = {}
    out: dict[str, MultiTaskModel] = {}
    for task in tasks:
        run = wanted.of(task)
        if run is None:
            continue
        if run not in known:
            try:
                known[run] = teacher(run)
            except ModelError as error:
                raise RecipeError(f'distill.teachers: task "{task}": {error}') from None
        if task not in known[run].tasks:
            raise RecipeError(
                f'distill.teachers: {run} has no task "{task}"{nearest(task, known[run].tasks)}; it has '
                f"{', '.join(known[run].tasks)}. Name a teacher for it: --teacher {task}=RUN"
            )
        out[task] = known[run]
    return out


def fingerprint(run: str) -> str:
    """Of a teacher's weights."""
    folder = model_folder(run)
    assert folder is not None
    digest = hashlib.blake2b(digest_size=16)
    with (folder / WEIGHTS).open("rb") as f:
        while piece := f.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _rewritten(recipe: Recipe, wanted: Distill, tables: Tables, teachers: dict[str, MultiTaskModel]) -> Tables:
    rows = dict(tables.rows)
    writers = [name for name in teachers if role_of(tables.tasks[name])]
    if not writers:
        raise RecipeError("distill.sequences: no task with a teacher writes texts; leave it out")
    for name in writers:
        run = wanted.of(name)
        assert run and wanted.sequences
        train = rewritten(
            name, tables.tasks[name], rows[name]["train"], teachers[name], weights=fingerprint(run),
            beams=wanted.sequences, cache=Path(recipe.cache_folder),
        )  # fmt: skip
        rows[name] = {**rows[name], "train": train}
    return replace(tables, rows=rows)
