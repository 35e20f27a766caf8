"""Teach: training with the recipe's teachers, where it has any. Above both rooms, neither of which knows the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unisono.recipe import Recipe, RecipeError, read
from unisono.train.check import Report
from unisono.train.check import check as check_alone
from unisono.train.events import Finished
from unisono.train.run import RECIPE, open_recipe
from unisono.train.run import train as train_alone


def train(recipe: Recipe, **how: Any) -> Finished:
    """``unisono.train.run.train``, which is handed the loss of distillation where the recipe has ``distill:``."""
    if recipe.distill is None:
        return train_alone(recipe, **how)
    from unisono.deploy.taught import prepared

    return train_alone(recipe, prepare=prepared, **how)


def check(recipe: Recipe, where: str = "recipe") -> Report:
    """``unisono.train.check.check``, teachers included; what these would write for their students is not searched."""
    if recipe.distill is None:
        return check_alone(recipe, where)
    from unisono.deploy.taught import prepared

    short = recipe.model_copy(update={"distill": recipe.distill.model_copy(update={"sequences": None})})
    return check_alone(short, where, prepare=prepared)


def student(
    target: str | Path, teachers: Sequence[str], *, layers: str | None = None, overrides: Sequence[str] = ()
) -> Recipe:
    """The recipe of a student, with what ``unisono distill`` was told written into it.

    Args:
        target: the student's recipe; or a run, whose recipe and model are then student's and teacher's.
        teachers: ``RUN``, or ``TASK=RUN`` several times; none: those of the recipe.
        layers: of its one teacher the student begins with so many layers, or with those listed: ``0,2,5``.
        overrides: settings such as ``train.epochs=2``.

    Raises:
        RecipeError: no teacher, or one that is said in two ways.
    """
    recipe = open_recipe(target, overrides)
    said: list[str] = []
    if not teachers and recipe.distill is None:
        if not Path(target).is_dir():
            raise RecipeError(f"{target}: no teacher; name one, as --teacher RUN, or --teacher TASK=RUN for each task")
        teachers = [str(target)]
    if teachers:
        said.append(f"distill.teachers={json.dumps(_named(teachers))}")
        if Path(target).is_dir():
            said.append(f"run={json.dumps(f'{Path(target)}-{_called(layers)}')}")
    if layers:
        runs = sorted(set(_named(teachers).values())) if _by_task(teachers) else list(teachers)
        if not teachers and recipe.distill:
            runs = sorted({run for name in recipe.tasks if (run := recipe.distill.of(name))})
        if len(runs) != 1:
            raise RecipeError(
                "--layers takes the layers of one teacher, here are several; say whose in the recipe, as "
                "trunk: {pretrained: RUN, keep: 3}"
            )
        own = {"max_length": recipe.trunk.max_length, "dropout": recipe.trunk.dropout}
        begun = {"pretrained": str(Path(runs[0]).absolute()), "keep": numbers(layers)}
        said.append(f"trunk={json.dumps(begun | {name: value for name, value in own.items() if value is not None})}")
    if teachers and Path(target).is_dir():  # not a run to go on with: its recipe alone is wanted
        return read(Path(target) / RECIPE, [*said, *overrides])
    return open_recipe(target, [*said, *overrides])


def numbers(layers: str) -> int | list[int]:
    """``3`` -> 3, and ``0,2,5`` -> [0, 2, 5].

    Raises:
        RecipeError: it is neither.
    """
    try:
        listed = [int(part) for part in layers.split(",")]
    except ValueError:
        raise RecipeError(f"--layers {layers}: how many, as 3, or which from 0, as 0,2,5") from None
    return listed if "," in layers else listed[0]


def _by_task(teachers: Sequence[str]) -> bool:
    return any("=" in said for said in teachers)


def _named(teachers: Sequence[str]) -> Any:
    """``RUN``, or ``TASK=RUN`` each -> what stands under ``distill.teachers``."""
    if not _by_task(teachers):
        if len(teachers) > 1:
            raise RecipeError("--teacher: several runs; say which task each teaches, as --teacher TASK=RUN")
        return teachers[0]
    out = {}
    for said in teachers:
        task, equals, run = said.partition("=")
        if not equals:
            raise RecipeError(f"--teacher {said}: say which task it teaches, as --teacher TASK={said}")
        out[task] = run
    return out


def _called(layers: str | None) -> str:
    """What is added to the name of a run for that of its student."""
    return "distilled" if layers is None else f"{layers.replace(',', '-')}-layers"
