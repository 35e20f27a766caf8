"""JSON files of a run, read with care: what is wrong with one is said in a line that names it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono.recipe import RecipeError


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of a file of JSON lines. A torn last line, as of a run that still goes on, is left out.

    Raises:
        RecipeError: a line is no JSON object.
    """
    with path.open("rb") as file:
        for at, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                if not line.endswith(b"\n"):
                    return
                found = None
            if not isinstance(found, dict):
                shown = line[:40].decode(errors="replace").strip()
                raise RecipeError(
                    f"{path} line {at}: expected a JSON object, found {shown!r}; restore the file, or delete that line"
                )
            yield at, found


def document(path: Path, command: str) -> dict[str, Any] | None:
    """The object of a JSON file; None if there is no such file.

    Args:
        command: what writes the file.

    Raises:
        RecipeError: it holds no JSON object.
    """
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RecipeError(f"{path}: expected a JSON object; run `{command}` again, or delete the file")
    return found
