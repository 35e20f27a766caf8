"""What is wrong with a recipe, said in one line: the file, the path in the YAML, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError


class RecipeError(Exception):
    """A recipe that cannot be run. One line a problem: the file, the path in the YAML, what to write instead."""


def nearest(word: str, names: Any) -> str:
    """'; did you mean "tag"?' or, with nothing near, the first few valid names."""
    names = sorted(map(str, names))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; valid: {', '.join(names[:12])}" if names else ""


def explain(error: ValidationError, model: type[BaseModel], where: str, prefix: str = "") -> list[str]:
    """One line for each problem: the file, the path in the YAML, what is wrong, the nearest valid name."""
    lines = []
    for problem in error.errors(include_url=False):
        location = [str(p) for p in problem["loc"]]
        path = ".".join(([prefix] if prefix else []) + location)
        if problem["type"] == "extra_forbidden":
            message = (
                f'"{location[-1]}" is not a setting here{nearest(location[-1], _settings_at(model, location[:-1]))}'
            )
        elif problem["type"] == "missing":
            message = f'"{location[-1]}" is missing'
        else:
            found = problem.get("input")
            message = problem["msg"].removeprefix("Value error, ")
            if isinstance(found, str | int | float | bool) and problem["type"] != "value_error":
                message = message[0].lower() + message[1:] + f", found {found!r}"
        lines.append(f"{where}: {path}: {message}" if path else f"{where}: {message}")
    return lines


def _settings_at(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """The valid keys at a location of the model's tree."""
    schema = _schema(model)
    node: dict[str, Any] = schema
    for part in location:
        options = [_follow(schema, n) for n in (node.get("anyOf") or [node])]
        found: Any = next((n for n in options if part in n.get("properties", {})), None)
        if found:
            node = _follow(schema, found["properties"][part])
            continue
        found = next((n for n in options if isinstance(n.get("additionalProperties"), dict)), None)
        if found:
            node = _follow(schema, found["additionalProperties"])
            continue
        found = next((n for n in options if isinstance(n.get("items"), dict)), None)
        if found and part.isdigit():
            node = _follow(schema, found["items"])
    options = [_follow(schema, n) for n in (node.get("anyOf") or [node])]
    return [name for n in options for name in n.get("properties", {})]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _follow(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node
