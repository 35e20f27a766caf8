"""Batch: rows of one task, ready for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from unisono.heads import Targets
from unisono.inputs import Inputs


@dataclass(frozen=True)
class Batch:
    """Rows of one task, packed from the shortest to the longest.

    Args:
        task: its name.
        inputs: what the stems made of them.
        targets: what the head collated; labels may be missing.
        order: order[b] is the place that sequence b had in the examples it was made from.
    """

    task: str
    inputs: Inputs
    targets: Targets
    order: tuple[int, ...]

    def to(self, device: torch.device) -> Batch:
        return replace(
            self,
            inputs=self.inputs.to(device),
            targets={name: value.to(device) for name, value in self.targets.items()},
        )

    def restore(self, things: Sequence[Any]) -> list[Any]:
        """Puts one thing a sequence back into the order of the examples."""
        out: list[Any] = [None] * len(self.order)
        for thing, place in zip(things, self.order, strict=True):
            out[place] = thing
        return out


def moved(batches: Sequence[Batch], device: torch.device) -> tuple[Batch, ...]:
    """Batches over the same rows on a device; their inputs stay the same tensors."""
    first = batches[0].to(device)
    rest = (replace(batch.to(device), inputs=first.inputs) for batch in batches[1:])
    return (first, *rest)
