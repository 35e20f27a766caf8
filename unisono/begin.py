"""Begin: looks at data and writes a commented recipe for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unisono import files
from unisono.data import DataError, Guess, sniff
from unisono.recipe import RecipeError

_HEAD = """\
# unisono check {name}      then: unisono train {name}
#
# Written by unisono init from a look at the data. What was guessed is marked; correct it where it is wrong.
# Every setting is explained in docs/recipe.md; editors read the schema that `unisono schema` prints.
"""

_PRETRAINED = """\
trunk: minilm  # or a folder, a hub name such as microsoft/deberta-v3-base, or {layers: 4, width: 256, heads: 4}
"""
_FRESH = """\
trunk: {layers: 4, width: 128, heads: 4, feedforward: 256}  # from scratch; larger where there are many rows
"""

_SEVERAL = """\
# disjoint: true  # no task learns from what another holds out; unisono data tells whether there is any of it
# mix: proportional  # how the tasks share a step: proportional, uniform, temperature, annealed, or {weights: {...}}
"""
_GO_ON = """\
train:
  epochs: 3
  tokens_per_step: 4096
  # trunk_lr: 1.0e-4
  # head_lr: 5.0e-4
"""
_FROM_SCRATCH = """\
train:
  epochs: 20
  tokens_per_step: 2048
  trunk_lr: 1.0e-3
  head_lr: 1.0e-3
"""


def write_recipe(paths: Sequence[str | Path], output: Path, *, force: bool = False) -> list[str]:
    """Writes a recipe with one task for each path; returns the names of the tasks.

    Raises:
        RecipeError: the file is there already, or nothing could be guessed about a path. DataError: nothing to read.
    """
    if output.exists() and not force:
        raise RecipeError(f"{output} is there already; write elsewhere with --output, or replace it with --force")
    guesses: dict[str, Guess] = {}
    for path in paths:
        guess = sniff(path)
        if guess.kind is None:
            raise DataError(f"{path}: no kind of task suits it ({guess.why}); kinds: unisono check --kinds")
        guesses[_name(guess, guesses)] = guess
    output.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(output, _HEAD.format(name=output) + _recipe(guesses))
    return list(guesses)


def _recipe(guesses: Mapping[str, Guess]) -> str:
    reads_text = not all(guess.stems for guess in guesses.values())
    stems: dict[str, dict[str, Any]] = {}
    for guess in guesses.values():
        for name, options in guess.stems.items():
            stems[name] = min(stems.get(name, options), options, key=lambda one: one.get("patch", 0))
    lines = [f"  {name}: {_flow(options)}\n" for name, options in stems.items()]
    return (
        (_PRETRAINED if reads_text else _FRESH)
        + ("stems:\n" + "".join(lines) if lines else "")
        + "tasks:\n"
        + "".join(_task(name, guess) for name, guess in guesses.items())
        + _SEVERAL * (len(guesses) > 1)
        + (_GO_ON if reads_text else _FROM_SCRATCH)
    )


def _name(guess: Guess, taken: dict[str, Guess]) -> str:
    if guess.kind == "translate":
        name = f"{guess.columns.get('source', 'source')}-{guess.columns.get('target', 'target')}"
    else:
        name = Path(guess.path.split(":")[-1]).name.split(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_") or str(guess.kind)
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique


def _task(name: str, guess: Guess) -> str:
    columns = dict(guess.columns)
    lines = [f"  {name}:", f"    kind: {guess.kind}  # guessed: {guess.why}"]
    path = guess.path if ":" in guess.path else str(Path(guess.path).absolute())
    more = {"path": path, **guess.data}
    lines.append(f"    data: {_flow(path) if len(more) == 1 else _flow(more)}")
    if guess.kind == "translate":
        lines += [f"    {side}: {_flow(columns.pop(side))}" for side in ("source", "target") if side in columns]
    # What is no text is read only where it has a column: its name stands there, though it is the role's own.
    columns = {
        role: column for role, column in columns.items() if role != column or role in ("image", "audio", "sequence")
    }
    if columns:
        lines.append(f"    columns: {_flow(columns)}  # role: column")
    if guess.head:
        lines.append(f"    head: {_flow(guess.head)}")
    lines.append("    # weight: 1.0  # λ of this task's loss")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """JSON is YAML, and stands on one line."""
    return json.dumps(value, ensure_ascii=False)
