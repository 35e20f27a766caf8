"""A teacher of three tasks on a trunk of four layers, trained for a few steps, once for all tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.runs import TASKS, TRUNK, run, small
from unisono.recipe import Recipe

WIDE = TRUNK | {"layers": 4, "dropout": 0.0}


def recipe_of(folder: Path, tasks=None, *, trunk=None, distill=None, **train) -> Recipe:
    """A small recipe with a trunk and teachers of its own."""
    made = small(folder, tasks, **train)
    raw = made.model_dump(mode="json") | ({"trunk": trunk} if trunk else {}) | ({"distill": distill} if distill else {})
    return Recipe.model_validate(raw)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "run"
    run(recipe_of(folder, TASKS, trunk=WIDE, steps=8, evaluate_every=8, head_lr=1e-2))
    return folder
