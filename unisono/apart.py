"""Apart: what is held out by some task of a recipe, and learned from by it or by another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from unisono.data import MEDIA, Quarantine, Rows, digests, recur
from unisono.data.quarantine import BadRow
from unisono.recipe import RecipeError
from unisono.tasks import Task

HELD_OUT = ("validation", "test")
LOOKED_AT = 200_000  # training rows of a task that are compared unasked: three seconds
MANY = 0.05  # share of a held-out split that is worth a remark
Splits = Mapping[str, Rows]


class Apart:
    """The inputs of tasks' rows, looked at once. An input is the same in whatever order its parts stand.

    Args:
        tasks: name -> task. ``rows``: name -> split -> rows.
    """

    def __init__(self, tasks: Mapping[str, Task], rows: Mapping[str, Splits]) -> None:
        self._rows = rows
        self._found = {
            name: {split: digests(own, [*tasks[name].kind.inputs]) for split, own in splits.items()}
            for name, splits in rows.items()
        }

    def seen(self, task: str, split: str) -> dict[str, int]:
        """Task -> how many rows of a held-out split have the inputs of a training row of that task."""
        own, out = self._found[task][split], {}
        for other, found in self._found.items():
            if "train" in found and not (other == task and recur(found["train"])):
                out[other] = int((np.isin(own, found["train"]) & (own != 0)).sum())
        return {other: count for other, count in out.items() if count}

    def without_held_out(self, quarantine: Quarantine) -> dict[str, dict[str, Rows]]:
        """The rows, those to learn from without the ones whose inputs some task holds out, which go to quarantine.

        Raises:
            RecipeError: nothing is left of a task.
        """
        holders = list(self._held())
        out = {name: dict(splits) for name, splits in self._rows.items()}
        for name, splits in self._rows.items():
            found = self._found[name].get("train", np.empty(0, np.uint64))
            lost: dict[int, tuple[str, str]] = {}  # number of a row -> who holds it out
            for holder, split, held in holders:
                lost.update(
                    dict.fromkeys(np.flatnonzero(np.isin(found, held) & (found != 0)).tolist(), (holder, split))
                )
            if len(lost) == len(found) > 0:
                raise RecipeError(f'task "{name}": disjoint: every training row has inputs that are held out')
            if lost:
                rows = splits["train"]
                out[name]["train"] = rows.select(np.setdiff1d(np.arange(len(rows)), list(lost)))
                quarantine.leave_out(name, "train", (_told(rows, at, *lost[at]) for at in sorted(lost)))
        return out

    def _held(self) -> Iterator[tuple[str, str, np.ndarray]]:
        for name, found in self._found.items():
            if "train" not in found or not recur(found["train"]):
                yield from ((name, split, found[split]) for split in HELD_OUT if split in found)


def leaks(tasks: Mapping[str, Task], rows: Mapping[str, Splits]) -> Iterator[str]:
    """Remarks on held-out texts of which many are learned from, by whichever task; ``unisono data`` tells of all."""
    few = {
        name: splits
        for name, splits in rows.items()
        if len(splits["train"]) <= LOOKED_AT
        and not any(splits["train"].kinds.get(role) in MEDIA for role in tasks[name].kind.inputs)
    }
    apart = Apart(tasks, few)
    for name, splits in few.items():
        for split in (s for s in HELD_OUT if s in splits):
            for other, seen in apart.seen(name, split).items():
                if seen >= MANY * len(splits[split]):
                    whose = "" if other == name else f' of task "{other}"'
                    yield (
                        f'task "{name}": {seen:,} of {len(splits[split]):,} {split} rows have the inputs of a training '
                        f"row{whose}; disjoint: true leaves those out of training"
                    )


def _told(rows: Rows, at: int, task: str, split: str) -> BadRow:
    file, number = rows.origin(at)
    text = json.dumps(rows[at], ensure_ascii=False, default=str)
    return BadRow(file, number, f'its inputs are in the {split} rows of task "{task}"', text, rows.counts)
