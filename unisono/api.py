"""The Python face: train a recipe, load a model, evaluate a run, turn inputs into vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unisono.evaluate import Result
from unisono.evaluate import evaluate as evaluate_task
from unisono.model import MultiTaskModel
from unisono.prepare import encode, read_tables
from unisono.recipe import Recipe, RecipeError, build
from unisono.saved import CONFIG, ModelError
from unisono.teach import train as train_run
from unisono.train.events import Listener
from unisono.train.run import open_recipe


@dataclass(frozen=True)
class Trained:
    """What ``train`` gives back.

    Args:
        run: the folder of the run. ``model``: the folder of its best model; None if interrupted before there was one.
        reason: ``done`` or ``interrupted``. ``scores``: task -> metric -> value of the best evaluation.
    """

    run: Path
    model: Path | None
    reason: str
    scores: Mapping[str, Mapping[str, float]]


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    overrides: Sequence[str] = (),
    listeners: Sequence[Listener] = (),
    fresh: bool = False,
) -> Trained:
    """Trains a recipe, or goes on with its run where it stopped.

    Args:
        recipe: a recipe file, the folder of a run, a mapping with the recipe's keys, or a ``Recipe``.
        overrides: settings such as ``"tasks.ner.weight=0.5"``.
        listeners: called with every event of the loop.
        fresh: start again even if the run has begun.

    Raises:
        RecipeError, DataError, TrainingFailed: each with a message for a person.
    """
    if isinstance(recipe, Mapping):
        recipe = build(recipe, overrides=overrides)
    elif not isinstance(recipe, Recipe):
        recipe = open_recipe(recipe, overrides)
    done = train_run(recipe, listeners=lambda: tuple(listeners), fresh=fresh)
    model = recipe.folder / "model"
    return Trained(recipe.folder, model if (model / CONFIG).exists() else None, done.reason, done.scores)


def load(folder: str | Path, *, device: str = "cpu") -> MultiTaskModel:
    """The model in a folder: of a run (its best model) or of a model.

    Raises:
        ModelError: there is no model, it is damaged, or ``device`` is not here.
    """
    folder = Path(folder)
    inside = folder / "model"
    if not (folder / CONFIG).exists() and (inside / CONFIG).exists():
        folder = inside
    return MultiTaskModel.from_pretrained(folder, device=device)


def evaluate(
    run: str | Path,
    *,
    split: str | None = None,
    recipe: Recipe | None = None,
    tasks: Sequence[str] = (),
    overrides: Sequence[str] = (),
    device: str = "cpu",
    on_pass: Any = None,
) -> dict[str, Result]:
    """Scores a run's best model on held-out rows.

    Args:
        run: the folder of a run, or a model's folder together with ``recipe``.
        split: train, validation or test; None: each task's test split, or its validation split where it has no other.
        tasks: only these.
        on_pass: called with (task, rows done) after each pack.

    Raises:
        RecipeError: no task has that split. ModelError: no such model or task.
    """
    recipe = recipe or open_recipe(run, overrides)
    model = load(run, device=device)
    wanted = {name: task for name, task in recipe.tasks.items() if name in model.tasks and (not tasks or name in tasks)}
    for name in tasks:
        model.head(name)
    if not wanted:
        raise RecipeError(f"{run}: the recipe and the model share no task")
    if split != "train":  # held-out rows are what they are
        recipe = recipe.model_copy(update={"disjoint": False})
    recipe = recipe.model_copy(update={"tasks": wanted, "beside": recipe.others(wanted)})
    tables = read_tables(recipe, run=None)
    chosen = {
        name: split or next((s for s in ("test", "validation") if s in rows), "") for name, rows in tables.rows.items()
    }
    chosen = {name: s for name, s in chosen.items() if s in tables.rows[name]}
    if not chosen:
        have = sorted({name for rows in tables.rows.values() for name in rows})
        raise RecipeError(
            f"no task has {f'a {split} split' if split else 'held-out rows'}; they have: {', '.join(have)}"
        )
    examples = encode(recipe, tables, model, tuple(sorted(set(chosen.values()))))
    return {
        name: evaluate_task(
            model,
            name,
            tables.rows[name][part],
            examples[name][part],
            split=part,
            on_pass=partial(on_pass, name) if on_pass else None,
        )
        for name, part in chosen.items()
    }


def vectors(
    model: MultiTaskModel, task: str, inputs: Sequence[Any], *, role: str | None = None, tokens_per_batch: int = 4096
) -> np.ndarray:
    """(n, E) float32 vectors of length 1 by a task of the kind ``match``: inner products say what belongs together.

    Args:
        inputs: of one role: texts, or the files of images or sounds.
        role: which of the task's two; None: the first of them (``text``, where there is one).

    Raises:
        ModelError: no such task or role, or a task of another kind.
    """
    model.head(task)
    sides = list(model.tasks[task].sides)
    if not sides:
        raise ModelError(f'task "{task}" is of kind "{model.tasks[task].kind.name}": only "match" gives vectors')
    if role is not None and role not in sides:
        raise ModelError(f'task "{task}" has no "{role}"; it matches {" and ".join(sides)}')
    wanted = role or sides[0]
    found = model.predict(task, [{wanted: value} for value in inputs], tokens_per_batch=tokens_per_batch)
    return np.array([prediction["vectors"][wanted] for prediction in found], np.float32)


__all__ = ["ModelError", "Trained", "evaluate", "load", "train", "vectors"]
