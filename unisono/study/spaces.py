"""Spaces: the settings that a recipe's ``tune:`` searches, each tried on the recipe before the first trial."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from unisono.recipe import Recipe, RecipeError, nearest
from unisono.recipe.tune import label
from unisono.study.variants import with_settings

Search = Mapping[str, Any]  # path -> list of values, or {log | range | int: (low, high)}
OURS = ("name", "run", "seed", "cache", "tune")  # a trial's place and the search itself


def suggest(trial: Any, search: Search) -> dict[str, Any]:
    """Path -> value of a trial, proposed by its study's sampler."""
    return {path: _suggest(trial, path, space) for path, space in search.items()}


def settings(search: Search, params: Mapping[str, Any]) -> dict[str, Any]:
    """Path -> value, from what a study keeps of a trial."""
    return {path: _value(space, params[path]) for path, space in search.items() if path in params}


def points(search: Search) -> list[dict[str, Any]]:
    """Every combination of a grid, as a study keeps it."""
    sides = [_labels(space) for space in search.values()]
    return [dict(zip(search, point, strict=True)) for point in itertools.product(*sides)]


def check(recipe: Recipe, where: str = "recipe") -> None:
    """Tries each value of each list, and both ends of each span, by itself.

    Raises:
        RecipeError: one line for each path or value that does not fit the recipe.
    """
    assert recipe.tune is not None
    base = recipe.model_copy(update={"tune": None})
    place = f"{where}: tune.search"
    problems: list[str] = []
    for path, space in recipe.tune.search.items():
        for problem in _problems(base, path, space, place):
            if problem not in problems:
                problems.append(problem)
    if problems:
        raise RecipeError("\n".join(problems))


def _problems(base: Recipe, path: str, space: Any, place: str) -> Iterator[str]:
    from unisono.tasks import resolve

    first, *rest = path.split(".")
    if first in OURS:
        yield f'{place}: "{first}" is not for a search to change'
        return
    if first == "tasks" and rest and rest[0] not in base.tasks:
        yield f'{place}: {path}: there is no task "{rest[0]}"{nearest(rest[0], base.tasks)}'
        return
    if base.balance.method == "auto" and first == "tasks" and rest[1:] == ["weight"]:
        yield f"{place}: {path}: balance: auto chooses λ by itself; take this path or balance: auto out"
        return
    for value in space if isinstance(space, list) else _ends(space):
        try:
            resolve(with_settings(base, {path: value}, where=place), place)
        except RecipeError as error:
            yield from str(error).splitlines()


def _ends(space: Mapping[str, Any]) -> list[float | int]:
    ((name, ends),) = space.items()
    return [int(end) if name == "int" else float(end) for end in ends]


def _labels(space: Any) -> list[Any]:
    if isinstance(space, list):
        return [label(value) for value in space]
    low, high = _ends(space)
    return list(range(int(low), int(high) + 1))


def _suggest(trial: Any, path: str, space: Any) -> Any:
    if isinstance(space, list):
        return _value(space, trial.suggest_categorical(path, _labels(space)))
    low, high = _ends(space)
    if "int" in space:
        return trial.suggest_int(path, low, high)
    return trial.suggest_float(path, low, high, log="log" in space)


def _value(space: Any, kept: Any) -> Any:
    return space[_labels(space).index(kept)] if isinstance(space, list) else kept
