"""Questions and answers: one row for one task, and what is said to it, whatever answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Row = Mapping[str, Any]  # role -> value
Prediction = dict[str, Any]  # JSON-ready


@dataclass(frozen=True)
class Question:
    """One row for one task.

    Args:
        task: its name. ``row``: role -> value, its inputs.
        options: of the head's ``predict``, such as ``{"beams": 4}``.
        partial: what is known so far is wanted too, where a head finds its answer step by step.
    """

    task: str
    row: Row
    options: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True)
class Unanswerable:
    """Why a question has no answer: a row that the task cannot read, or an option that it does not have."""

    reason: str


class Answer(NamedTuple):
    """What is said to one question.

    Args:
        at: the number of the question. ``last``: nothing more comes; else this is what is known so far.
    """

    at: int
    found: Prediction | Unanswerable
    last: bool = True
