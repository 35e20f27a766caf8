"""Budget: what a run gave each of its tasks, read from the run's journal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unisono.train import journal
from unisono.train.bundles import PLUS


@dataclass(frozen=True)
class Budget:
    """What one task got.

    Args:
        steps: optimizer steps that had rows of the task.
        rows: its row draws, over all steps.
    """

    steps: int
    rows: int


def spent(run: Path, tasks: Mapping[str, Any]) -> dict[str, Budget]:
    """Each task's budget in a run."""
    steps, rows = dict.fromkeys(tasks, 0), dict.fromkeys(tasks, 0)
    for event in journal.read(run / journal.EVENTS):
        if event["event"] == "stepped":
            for task, count in event["rows"].items():
                steps[task] += count > 0
                rows[task] += count
    return {task: Budget(steps[task], rows[task]) for task in tasks}


def shared_rows(run: Path) -> dict[tuple[str, ...], int]:
    """Tasks whose labels stand on the same rows -> how many rows were drawn for them, over all steps of a run."""
    out: dict[tuple[str, ...], int] = {}
    for event in journal.read(run / journal.EVENTS):
        for key, count in event.get("shared", {}).items() if event["event"] == "stepped" else ():
            tasks = tuple(key.split(PLUS))
            out[tasks] = out.get(tasks, 0) + count
    return out


def shared_steps(run: Path, tasks: Iterable[str]) -> int:
    """The optimizer steps of a run that had rows of any of some tasks."""
    names = set(tasks)
    found = (event["rows"] for event in journal.read(run / journal.EVENTS) if event["event"] == "stepped")
    return sum(any(count > 0 for task, count in rows.items() if task in names) for rows in found)


def evaluations(run: Path) -> list[dict[str, Any]]:
    """The ``evaluated`` events of a run, in order; one whose mean is not a number says nothing and is left out."""
    found = (event for event in journal.read(run / journal.EVENTS) if event["event"] == "evaluated")
    return [event for event in found if event["mean"] is not None and math.isfinite(event["mean"])]


def best_evaluation(run: Path) -> dict[str, Any] | None:
    """The event of the evaluation whose weights the run kept as its model; None if there were no held-out rows."""
    return next((event for event in reversed(evaluations(run)) if event["best"]), None)
