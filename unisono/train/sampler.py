"""Sampler: draws each task's rows in a seeded order until its share of the step's budget is used up. Resumable."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unisono.packed import passes


class Sampler:
    """Endless seeded passes over the rows of every task.

    A task's rows come in a new order each epoch, a pure function of (seed, task, epoch). What a step took too much or
    too little of a share, the next steps make up for, so shares hold exactly in the long run.

    Args:
        costs: task -> cost of each row (its tokens; all ones where steps are counted in rows).
        budget: cost of a step, all tasks together.
        seed: the seed of the run.
        rows: task -> the rows to draw from; default: all.
    """

    def __init__(
        self,
        costs: Mapping[str, np.ndarray],
        *,
        budget: float,
        seed: int,
        rows: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.budget, self.seed = budget, seed
        self.costs: dict[str, np.ndarray] = {}
        self.rows: dict[str, np.ndarray] = {}
        self.epoch: dict[str, int] = {}
        self.cursor: dict[str, int] = {}
        self.credit: dict[str, float] = {}
        self._orders: dict[str, tuple[int, np.ndarray]] = {}
        for task, cost in costs.items():
            self.add(task, cost, None if rows is None else rows[task])

    def add(self, task: str, costs: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Takes in another task, at the place where a resumed state has left it; one that it has stays as it is."""
        if task not in self.costs:
            self.costs[task] = costs
            self.rows[task] = np.arange(len(costs)) if rows is None else rows
            self.epoch.setdefault(task, 0)
            self.cursor.setdefault(task, 0)
            self.credit.setdefault(task, 0.0)

    def draw(self, share: Mapping[str, float]) -> dict[str, list[int]]:
        """Rows of the next step: task -> row numbers. A task whose share is not yet worth a row is absent."""
        rows: dict[str, list[int]] = {}
        for task, part in share.items():
            self.credit[task] += part * self.budget
            taken: list[int] = []
            # Half of the next row's cost in hand is enough: the steps' sizes then spread evenly about the budget.
            while part > 0 and self.credit[task] >= self.costs[task][self._peek(task)] / 2:
                row = self._peek(task)
                self.credit[task] -= float(self.costs[task][row])
                self.cursor[task] += 1
                taken.append(row)
            if taken:
                rows[task] = taken
        return rows

    def _peek(self, task: str) -> int:
        if self.cursor[task] >= len(self.rows[task]):
            self.epoch[task] += 1
            self.cursor[task] = 0
        return int(self._order(task)[self.cursor[task]])

    def _order(self, task: str) -> np.ndarray:
        epoch, order = self._orders.get(task, (-1, np.empty(0, np.int64)))
        if epoch != self.epoch[task]:
            generator = np.random.default_rng([self.seed, zlib.crc32(task.encode()), self.epoch[task]])
            order = self.rows[task][generator.permutation(len(self.rows[task]))]
            self._orders[task] = (self.epoch[task], order)
        return order

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": dict(self.epoch), "cursor": dict(self.cursor), "credit": dict(self.credit)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epoch |= state["epoch"]
        self.cursor |= state["cursor"]
        self.credit |= state["credit"]
        self._orders = {}


def deal(rows: Sequence[int], costs: np.ndarray, *, rank: int, world: int) -> list[int]:
    """This process's part of a step's rows: dealt out from the longest down, there and back, so that all get alike."""
    order = sorted(rows, key=lambda row: (-int(costs[row]), row))
    return [row for at, row in enumerate(order) if _seat(at, world) == rank]


def _seat(at: int, world: int) -> int:
    lap, place = divmod(at, world)
    return place if lap % 2 == 0 else world - 1 - place


def cut(rows: Sequence[int], costs: np.ndarray, *, most: int) -> list[list[int]]:
    """Cuts rows into passes of at most ``most`` cost each (a single longer row makes a pass of its own)."""
    return [[rows[i] for i in at] for at in passes([int(costs[row]) for row in rows], most)]
