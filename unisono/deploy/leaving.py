"""leaving: from a run to a task's exits: trained on training rows, measured on held-out ones, kept with the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unisono.deploy.curve import curve
from unisono.deploy.exits import Early, check, save, train
from unisono.deploy.rows import spread
from unisono.origin import model_folder
from unisono.prepare import encode, read_tables
from unisono.recipe import Recipe, RecipeError
from unisono.saved import ModelError

MOST = 20_000  # training rows that exits learn from: they are small


def leave(
    run: Path,
    recipe: Recipe,
    *,
    task: str = "",
    layers: Sequence[int] | None = None,
    rows: int = 500,
    batch: int = 32,
    rounds: int = 3,
    on_pass: Callable[[str, int], Any] = lambda task, rows: None,
) -> dict[str, Any]:
    """Trains a task's exits, measures what leaving at them costs and saves, and keeps both in the folder of the model.

    Args:
        task: of kind classify; "": the only one.
        layers: see ``exits.train``. ``rows``, ``batch``, ``rounds``: see ``curve``.

    Returns:
        What ``curve`` says, and ``split``: which rows it was measured on.

    Raises:
        ModelError: no model, or no such exits. RecipeError: no held-out rows to measure on.
    """
    place = model_folder(run)
    if place is None:
        raise ModelError(f"{run}: no trained model here; train one with: unisono train RECIPE")
    model = Early.from_pretrained(place)
    assert isinstance(model, Early)
    model.exits = {}
    task = task or _only(model)
    check(model, task, layers)
    recipe = recipe.model_copy(update={"tasks": {task: recipe.tasks[task]}})
    tables = read_tables(recipe, run=None)
    split = next((s for s in ("test", "validation") if len(tables.rows[task].get(s, ()))), None)
    if split is None:
        raise RecipeError(f'task "{task}": no test or validation rows to measure on')
    examples = encode(recipe, tables, model, ("train", split))[task]
    learned = [examples["train"][i] for i in spread(len(examples["train"]), MOST)]
    model.exits[task] = train(model, task, learned, layers=layers, seed=recipe.seed, on_pass=on_pass)
    held = examples[split]
    chosen = spread(len(held), rows)
    golds = [tables.rows[task][split][int(held.source[i])] for i in chosen]
    found = curve(model, task, golds, [held[i] for i in chosen], batch=batch, rounds=rounds, on_pass=on_pass)
    found = {**found, "split": split}
    save(model.exits[task], place, found)
    return found


def _only(model: Early) -> str:
    able = [name for name, task in model.tasks.items() if task.kind.name == "classify"]
    if len(able) != 1:
        raise ModelError(
            f"say which task shall have exits, as --task NAME: {', '.join(able) or 'none is of kind classify'}"
        )
    return able[0]
