"""Balanced: what a step's passes under a balance gave beside the gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unisono.train.events import Affinity, Event, Gradients
from unisono.train.step import Losses


@dataclass(frozen=True)
class Balanced:
    """What the passes of one step gave, beside the gradients.

    Args:
        losses: task -> each pass's total loss, of this process's rows.
        weights: task -> λ, the balance's and the recipe's multiplied.
        gramians: layer -> (T, T) inner products of the gradients of ``tasks``, where they were captured.
        affinity: (T, T) of ``tasks``: by which share of itself a step along gradient i alone would lower loss j.
        problem: why the balance could not be used in this step, and the plain sum was; or None.
    """

    losses: Losses
    weights: dict[str, float]
    tasks: tuple[str, ...] = ()
    gramians: Mapping[str, Tensor] | None = None
    affinity: Tensor | None = None
    problem: str | None = None

    def measured(self, step: int) -> Iterator[Event]:
        """How the tasks' gradients lay to each other, and their affinity, where they were looked at."""
        if self.gramians:
            layers = {**self.gramians, "all": torch.stack(list(self.gramians.values())).sum(0)}
            norms = {layer: g.diagonal().clamp(min=0).sqrt().tolist() for layer, g in layers.items()}
            yield Gradients(step, self.tasks, norms, {layer: cosines(g) for layer, g in layers.items()})
        if self.affinity is not None:
            yield Affinity(step, self.tasks, self.affinity.tolist())

    @property
    def norms(self) -> dict[str, float]:
        """Task -> norm of its gradient of the shared parameters, where they were captured."""
        if not self.gramians:
            return {}
        squares = torch.stack(list(self.gramians.values())).sum(0).diagonal().clamp(min=0)
        return dict(zip(self.tasks, squares.sqrt().tolist(), strict=True))


def cosines(gramian: Tensor) -> list[list[float]]:
    """(T, T) cosines of the gradients behind a Gramian; 0 where one of them is 0."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    found = gramian / (norms[:, None] * norms[None, :])
    return [[c if math.isfinite(c) else 0.0 for c in row] for row in found.tolist()]
