"""rows: what an export is checked on: held-out rows of the run's recipe, or texts made up where there are none."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unisono.data import Examples, Rows
from unisono.model import MultiTaskModel
from unisono.prepare import encode, read_tables
from unisono.recipe import Recipe

Example = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class HeldOut:
    """Rows of a task that it has not learned from."""

    rows: Rows
    examples: Examples
    split: str


def held_out(recipe: Recipe, model: MultiTaskModel, tasks: Sequence[str]) -> dict[str, HeldOut]:
    """Of each task its test rows, or its validation rows where it has no others; nothing of a task without either.

    Raises:
        DataError, RecipeError: the recipe's data cannot be read.
    """
    recipe = recipe.model_copy(update={"tasks": {n: t for n, t in recipe.tasks.items() if n in tasks}})
    if not recipe.tasks:
        return {}
    tables = read_tables(recipe, run=None)
    chosen = {n: next((s for s in ("test", "validation") if s in rows), None) for n, rows in tables.rows.items()}
    examples = encode(recipe, tables, model, tuple(sorted({split for split in chosen.values() if split})))
    return {n: HeldOut(tables.rows[n][split], examples[n][split], split) for n, split in chosen.items() if split}


_WORDS = "a we they ship 1999 blue quickly naïve don't Zürich — , . ? ( ) % the and"


def made_up(model: MultiTaskModel, task: str, count: int) -> list[dict[str, Any]]:
    """Rows of random words, from none but one word to many; the same for the same count."""
    draw = random.Random(count)
    spec = model.tasks[task]

    def text(most: int) -> str:
        return " ".join(draw.choices(_WORDS.split(), k=draw.randint(1, most)))

    roles = [role for role in spec.kind.inputs if role in spec.roles]
    out = []
    for at in range(count):
        most = (1, 6, 30, 90)[at % 4]
        row: dict[str, Any] = {role: text(most) for role in roles}
        out.append({"tokens": row["tokens"].split()} if spec.kind.words else row)
    return out


def spread(count: int, limit: int) -> list[int]:
    """At most ``limit`` of ``count`` places, evenly spread."""
    return list(range(count)) if limit >= count else [i * count // limit for i in range(limit)]


def examples_of(model: MultiTaskModel, task: str, given: HeldOut | None, limit: int) -> list[Example]:
    """Examples of held-out rows, or of made-up ones."""
    if given is not None and len(given.examples):
        return [given.examples[i] for i in spread(len(given.examples), limit)]
    out: list[Example] = []
    for made in model.encode(task, made_up(model, task, limit)):
        if not isinstance(made, str):
            out += made if isinstance(made, list) else [made]
    return out
