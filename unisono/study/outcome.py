"""Outcome: what became of a trial. Imports nothing heavy, as workers need it before they have anything to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Report = Callable[[int, float], bool]  # the evaluation's number from 1 and its value -> whether the trial should end


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Args:
        values: one for each objective, as a fraction; of a complete trial.
        error: why it failed.
    """

    state: Literal["complete", "pruned", "failed", "interrupted"]
    values: tuple[float, ...] = ()
    error: str = ""
