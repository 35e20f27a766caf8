"""From YAML to a recipe: overrides, environment variables, validation, and data found beside the file."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from unisono import files
from unisono.recipe.distilled import Distill
from unisono.recipe.errors import RecipeError, explain
from unisono.recipe.types import Recipe

MOST = 1 << 18  # bytes of a recipe
MOST_VALUES, MOST_DEEP = 100_000, 50


def read(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads and validates a recipe file.

    Args:
        path: a YAML file.
        overrides: settings such as ``tasks.ner.weight=0.5``; the value is YAML.

    Raises:
        RecipeError: with one line for each problem.
    """
    path = Path(path)
    try:
        text = files.read_text(path, MOST)
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _names_beside(path), n=1)
        hint = f"; did you mean {path.with_name(near[0])}?" if near else ""
        raise RecipeError(f"{path}: no such recipe{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})") from None
    return parse(text, overrides=overrides, name=path.stem, where=str(path), base=path.parent)


def parse(
    text: str, *, overrides: Sequence[str] = (), name: str = "run", where: str = "recipe", base: Path | None = None
) -> Recipe:
    """The same from YAML text. ``base``: folder that relative data paths are tried against first."""
    try:
        raw = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RecipeError(f"{where}:{place} is not YAML: {getattr(error, 'problem', None) or error}") from None
    except (RecursionError, ValueError) as error:
        raise RecipeError(f"{where}: is not YAML: {error}") from None
    return build(raw, overrides=overrides, name=name, where=where, base=base)


def build(
    raw: Any, *, overrides: Sequence[str] = (), name: str = "run", where: str = "recipe", base: Path | None = None
) -> Recipe:
    """The same from a plain mapping."""
    if not isinstance(raw, Mapping):
        raise RecipeError(f'{where}: a recipe is a mapping with "trunk" and "tasks", found {type(raw).__name__}')
    tree = {"name": name, **raw}
    for override in overrides:
        tree = _override(tree, override, where)
    _bounded(tree, where)
    try:
        tree = _expand(tree, where, ())
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(error, Recipe, where))) from None
    return _locate(recipe, base)


def _override(tree: Mapping[str, Any], override: str, where: str) -> dict[str, Any]:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {override}: write it as path=value, such as tasks.ner.weight=0.5")
    try:
        parsed = yaml.load(value, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RecipeError(f"--set {override}: the value is not YAML") from None
    out = dict(tree)
    node = out
    *parents, last = key.strip().split(".")
    for part in parents:
        below = node.get(part)
        if part == "trunk" and isinstance(below, str):
            below = {"pretrained": below}
        elif part == "distill" and isinstance(below, str):
            below = {"teachers": below}
        elif part == "mix" and isinstance(below, str):
            below = {"by": below}
        elif part == "balance" and isinstance(below, str):
            below = {"method": below}
        elif part == "data" and isinstance(below, str):
            below = {"path": below}
        elif below is None:
            below = {}
        elif not isinstance(below, Mapping):
            raise RecipeError(f"{where}: --set {override}: {part} is a value, it has no settings below it")
        node[part] = dict(below)
        node = node[part]
    node[last] = parsed
    return out


class _Loader(yaml.SafeLoader):
    """Plain values only; and merged mappings (``<<``), which a few lines can make without end, are bounded."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise yaml.constructor.ConstructorError(None, None, "a mapping of too many merged ones", node.start_mark)


def _bounded(tree: Any, where: str) -> None:
    """Walks over all that a recipe stands for, its aliases written out.

    Raises:
        RecipeError: too much: an alias in itself, or aliases of aliases, which a few lines can make without end.
    """
    left, values = [(tree, 0)], 0
    while left:
        node, depth = left.pop()
        values += 1
        if values > MOST_VALUES or depth > MOST_DEEP:
            raise RecipeError(
                f"{where}: more than {MOST_VALUES:,} values, or {MOST_DEEP} deep, once its aliases are written out"
            )
        if isinstance(node, int) and node.bit_length() > 64:
            raise RecipeError(f"{where}: a number of more than 64 bits")
        if isinstance(node, Mapping):
            left += ((value, depth + 1) for value in node.values())
        elif isinstance(node, (list, tuple, set)):
            left += ((value, depth + 1) for value in node)


_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def _expand(node: Any, where: str, path: tuple[str, ...]) -> Any:
    """Puts environment variables in place of ${NAME} and ${NAME:-default} in every string."""
    if isinstance(node, Mapping):
        return {key: _expand(value, where, (*path, str(key))) for key, value in node.items()}
    if isinstance(node, list):
        return [_expand(value, where, (*path, str(i))) for i, value in enumerate(node)]
    if not isinstance(node, str):
        return node
    if any("\ud800" <= letter <= "\udfff" for letter in node):  # no file can have such a name
        raise RecipeError(f"{where}: {'.'.join(path)}: half a letter (a surrogate), which is no text")

    def fill(match: re.Match[str]) -> str:
        value = os.environ.get(match[1], match[2])
        if value is None:
            raise RecipeError(
                f"{where}: {'.'.join(path)}: environment variable {match[1]} is not set (export {match[1]}=...)"
            )
        return value

    return _VARIABLE.sub(fill, node)


def _locate(recipe: Recipe, base: Path | None) -> Recipe:
    """Makes data paths absolute: relative to the recipe's folder where they exist there, else to the working folder."""
    tasks = {}
    for name, task in recipe.tasks.items():
        path = task.data.path
        if "://" not in path and not path.startswith("builtin:"):
            local = Path(path).expanduser()
            beside = (base or Path()) / local
            path = str((beside if beside.exists() else local).absolute())
        tasks[name] = task.model_copy(update={"data": task.data.model_copy(update={"path": path})})
    return recipe.model_copy(update={"tasks": tasks, "distill": _with_teachers(recipe.distill)})


def _with_teachers(distill: Distill | None) -> Distill | None:
    """The same with absolute folders, so that the run goes on from wherever it is called."""
    if distill is None:
        return None
    if isinstance(distill.teachers, str):
        return distill.model_copy(update={"teachers": _absolute(distill.teachers)})
    named = {name: folder and _absolute(folder) for name, folder in distill.teachers.items()}
    return distill.model_copy(update={"teachers": named})


def _absolute(folder: str) -> str:
    return str(Path(folder).expanduser().absolute())


def _names_beside(path: Path) -> list[str]:
    return [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
