"""Reading: rows as the examples of a task, or why they have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import BadInput
from .heads import Example, Head
from .inputs import Inputs
from .questions import Row

MOST_TEXT = 1_000_000  # characters of a text; what comes after the first few thousand is cut off anyway
MOST_WORDS = 200_000
_SPELT = ("text", "sequence")  # stems whose inputs are texts; the others look at theirs themselves


def read(head: Head, inputs: Inputs, rows: Sequence[Row]) -> list[list[Example] | str]:
    """The examples of each row; for a row that has no input, or one of the wrong type, the reason instead."""
    out: list[list[Example] | str] = [_unfit(head, row) for row in rows]
    fit = [at for at, reason in enumerate(out) if not reason]
    if fit:
        for at, made in zip(fit, head.examples(inputs, [rows[at] for at in fit]), strict=True):
            out[at] = made
    return out


def row_of(head: Head, row: Row | str, at: int) -> Row:
    """A row as it is given to ``predict``: a plain string stands for its one text, for a tagger for its words.

    Raises:
        BadInput: an input is missing.
    """
    task = head.task
    if isinstance(row, str):
        row = {task.inputs[0]: row.split() if head.words else row}
    absent = [name for name in task.inputs if not row.get(name)]
    if absent and (len(absent) == len(task.inputs) or not task.any_input):
        missing = f'"{absent[0]}" is' if len(absent) == 1 else f"{' and '.join(absent)} are"
        raise BadInput(task.name, at, f"{missing} missing or empty; it has {sorted(row)}")
    return {name: row[name] for name in head.roles if row.get(name) is not None}


def _unfit(head: Head, row: Row) -> str:
    """Why a row cannot be read; empty if it can."""
    given = {name: row[name] for name in head.roles if row.get(name) is not None}
    must = [name for name in head.task.required if name not in given]
    if must or not given:
        return f"no input: {' and '.join(must or head.task.inputs)} missing"
    spelt = {name: value for name, value in given.items() if head.task.roles.get(name, "text") in _SPELT}
    return next((reason for name, value in spelt.items() if (reason := _wrong(name, value, head.words))), "")


def _wrong(name: str, value: Any, words: bool) -> str:
    if isinstance(value, str):
        return f'"{name}" has {len(value):,} characters, more than {MOST_TEXT:,}' if len(value) > MOST_TEXT else ""
    if words and isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        size = sum(map(len, value))
        many = len(value) > MOST_WORDS or size > MOST_TEXT
        return f'"{name}" has {len(value):,} words of {size:,} characters, too many' if many else ""
    return f'"{name}" must be {"a list of words" if words else "a text"}, not {type(value).__name__}'
