"""rows: what an export is checked on: held-out rows of the run's recipe, or rows made up where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unisono.data import Examples, Rows
from unisono.deploy.madeup import made_up
from unisono.model import MultiTaskModel
from unisono.prepare import Tables, encode, read_tables
from unisono.recipe import Recipe

Example = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class HeldOut:
    """Rows of a task that it has not learned from."""

    rows: Rows
    examples: Examples
    split: str


@dataclass(frozen=True)
class Data:
    """The rows of a run's recipe.

    Args:
        held: task -> its test rows, or its validation rows where it has no others; a task without either is left out.
        tables: all rows.
    """

    held: Mapping[str, HeldOut]
    tables: Tables | None = None

    @classmethod
    def of(cls, recipe: Recipe, model: MultiTaskModel, tasks: Sequence[str]) -> Data:
        """
        Raises:
            DataError, RecipeError: the recipe's data cannot be read.
        """
        recipe = recipe.model_copy(update={"tasks": {n: t for n, t in recipe.tasks.items() if n in tasks}})
        if not recipe.tasks:
            return cls({})
        tables = read_tables(recipe, run=None)
        chosen = {n: next((s for s in ("test", "validation") if s in rows), "") for n, rows in tables.rows.items()}
        examples = encode(recipe, tables, model, tuple(sorted({split for split in chosen.values() if split})))
        held = {n: HeldOut(tables.rows[n][s], examples[n][s], s) for n, s in chosen.items() if s}
        return cls({n: h for n, h in held.items() if len(h.examples)}, tables)

    def examples(self, model: MultiTaskModel, task: str, most: int) -> list[Example]:
        """Examples of held-out rows, evenly spread, or of made-up ones."""
        if task not in self.held:
            return _encoded(model, task, made_up(model, task, most))
        held = self.held[task].examples
        return [held[i] for i in spread(len(held), most)]

    def training(self, model: MultiTaskModel, task: str, most: int) -> list[Example]:
        """Examples of training rows, evenly spread, or of made-up ones."""
        if self.tables is None or task not in self.tables.rows:
            return _encoded(model, task, made_up(model, task, most))
        rows = self.tables.rows[task]["train"]
        return _encoded(model, task, [rows[i] for i in spread(len(rows), most)])


def spread(count: int, most: int) -> list[int]:
    """At most so many of ``count`` places, evenly spread."""
    return list(range(count)) if most >= count else [i * count // most for i in range(most)]


def _encoded(model: MultiTaskModel, task: str, rows: Sequence[Mapping[str, Any]]) -> list[Example]:
    out: list[Example] = []
    for made in model.encode(task, rows):
        if not isinstance(made, str):
            out += made if isinstance(made, list) else [made]
    return out
