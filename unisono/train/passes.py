"""Passes: a step's rows as packs that go through the trunk together, and what can be said of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch

from unisono.batch import Batch, moved
from unisono.data import Examples
from unisono.model import MultiTaskModel
from unisono.prepare import Tables
from unisono.train.bundles import NONE, Bundles
from unisono.train.sampler import cut
from unisono.train.step import Losses, Pass


def cut_up(
    rows: Mapping[str, Sequence[int]],
    bundles: Bundles,
    model: MultiTaskModel,
    *,
    most: int,
    halves: bool,
    device: torch.device,
) -> list[Pass]:
    """Rows as passes, on the device.

    Args:
        rows: key of a bundle -> rows of it.
        most: tokens of a pass.
        halves: cut them into two halves first, every other row to either.
    """
    out: list[Pass] = []
    for key, taken in rows.items():
        bundle = bundles[key]
        room = most // 2 if model.twice(bundle.tasks) else most
        for half, own in enumerate([taken[::2], taken[1::2]] if halves else [taken]):
            for part in cut(own, bundle.costs, most=room):
                numbers = bundle.numbers(part)
                batches = model.collate_shared(bundles.taken(numbers))
                there = {task: tuple(n for n in found if n != NONE) for task, found in numbers.items()}
                out.append(Pass(moved(batches, device), there, half))
    return out


def units(passes: Iterable[Pass], tasks: Iterable[str], of: Callable[[Batch], int]) -> dict[str, int]:
    """task -> units in these passes, of which each batch has as many as ``of`` says."""
    out = dict.fromkeys(tasks, 0)
    for batch in (batch for one in passes for batch in one.batches):
        out[batch.task] += of(batch)
    return out


def not_finite(
    task: str, passes: Iterable[Pass], losses: Losses, tables: Tables, examples: Examples
) -> list[tuple[str, int]]:
    """(file, row) of the rows in those passes whose loss of the task is not finite."""
    parts = [one.rows[task] for one in passes if task in one.rows]
    return [
        tables.rows[task]["train"].origin(int(examples.source[row]))
        for part, total in zip(parts, losses.get(task, []), strict=False)
        if not math.isfinite(float(total))
        for row in part
    ]
