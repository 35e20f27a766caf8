"""Tune: what a recipe may say under ``tune:``: which settings are searched, and how."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from unisono.recipe.errors import nearest
from unisono.recipe.section import Section

TRIALS = 20  # where the recipe does not say
SPANS = ("log", "range", "int")
_FORMS = "write a list of values, {log: [1e-5, 1e-3]}, {range: [0, 1]} or {int: [1, 4]}"


class Tune(Section):
    """A search for better settings: ``unisono tune``."""

    search: dict[str, list[Any] | dict[Literal["log", "range", "int"], tuple[float, float]]] = Field(
        min_length=1,
        description="path of a setting -> its values: a list, `{log: [a, b]}`, `{range: [a, b]}` or `{int: [a, b]}`",
    )
    by: Literal["tpe", "random", "grid", "gp", "nsga2"] = Field(
        "tpe", description="how settings are proposed: Parzen estimators, at random, all, Gaussian process, evolution"
    )
    trials: int | None = Field(None, ge=1, description=f"trials to finish; default: {TRIALS}, of a grid all its points")
    objective: Literal["mean"] | list[str] = Field(
        "mean", description="the mean of the tasks' main metrics, or a list of tasks: each is an objective of its own"
    )
    prune: Literal["hyperband", "none"] = Field("none", description="whether trials that fall behind are ended early")
    storage: str | None = Field(
        None, description="URL of the study's database, as Optuna takes it; default: SQLite in the run's folder"
    )

    @field_validator("search", mode="before")
    @classmethod
    def _forms(cls, value: Any) -> Any:
        for path, space in value.items() if isinstance(value, Mapping) else ():
            if problem := _problem(space):
                raise ValueError(f"{path}: {problem}")
        return value

    @field_validator("objective", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) and value != "mean" else value

    @field_validator("objective")
    @classmethod
    def _some(cls, value: Any) -> Any:
        if isinstance(value, list) and (not value or len(set(value)) < len(value)):
            raise ValueError(f'write "mean", or each task once, found {value}')
        return value

    @model_validator(mode="after")
    def _agree(self) -> Tune:
        if self.prune == "hyperband" and len(self.objectives) > 1:
            raise ValueError(
                '"prune: hyperband" needs one objective: of several, none alone says which trial falls behind'
            )
        if self.by == "grid":
            for path, space in self.search.items():
                if isinstance(space, dict) and "int" not in space:
                    raise ValueError(f'search: {path}: "by: grid" needs a list of values, or {{int: [a, b]}}')
            if self.trials not in (None, self.points):
                raise ValueError(f'trials: the grid has {self.points} points and tries them all; leave "trials" out')
        return self

    @property
    def points(self) -> int | None:
        """How many combinations there are; None where a span of numbers is searched."""
        sizes = []
        for space in self.search.values():
            if isinstance(space, dict) and "int" not in space:
                return None
            sizes.append(len(space) if isinstance(space, list) else int(space["int"][1] - space["int"][0]) + 1)
        return math.prod(sizes)

    @property
    def count(self) -> int:
        """How many trials are to be finished."""
        return self.trials or (self.points if self.by == "grid" else None) or TRIALS

    @property
    def objectives(self) -> list[str]:
        """``mean``, or names of tasks."""
        return ["mean"] if self.objective == "mean" else list(self.objective)


def label(value: Any) -> Any:
    """A value of a list as the study keeps it: numbers and texts as they are, mappings and lists as their text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value, sort_keys=True)


def _problem(space: Any) -> str | None:
    if isinstance(space, list):
        labels = [label(value) for value in space]
        twice = [value for at, value in enumerate(labels) if value in labels[:at]]
        if twice:
            return f"{twice[0]!r} stands there twice"
        return None if labels else f"an empty list; {_FORMS}"
    if not isinstance(space, Mapping) or len(space) != 1:
        return f"{_FORMS}, found {space!r}"
    ((name, ends),) = space.items()
    if name not in SPANS:
        return f'"{name}" is not a span of numbers{nearest(str(name), SPANS)}'
    try:
        low, high = (float(end) for end in ends)  # YAML reads 1e-5 as a text
    except (TypeError, ValueError):
        return f"{name}: write two numbers, such as [1, 3], found {ends!r}"
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return f"{name}: the first number must be the smaller, found {ends!r}"
    if name == "log" and low <= 0:
        return f"log: both numbers must be greater than 0, found {ends!r}"
    if name == "int" and not (low.is_integer() and high.is_integer()):
        return f"int: write whole numbers, found {ends!r}"
    return None
