"""Lesson: what training may be handed in place of the labels' own loss, as distillation does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from unisono.batch import Batch
from unisono.heads import Loss
from unisono.model import MultiTaskModel
from unisono.packed import Packed
from unisono.prepare import Tables
from unisono.recipe import Recipe


class Lesson(Protocol):
    """States and losses of a model that learns from more than labels. The loop asks for them pass after pass."""

    @property
    def fingerprint(self) -> str:
        """Names what the lesson follows from beside the recipe: a run that goes on must have the same."""

    @property
    def whole(self) -> Collection[str]:
        """The tasks of which rows without a label are learned from too."""

    def begin(self, progress: float) -> None:
        """A step begins, at ``progress`` from 0 to 1 of the run."""

    def states(self, batches: Sequence[Batch]) -> Packed:
        """What goes from the trunk to ``loss``, of batches over the same rows: (N, any width), the last one a D."""

    def loss(self, states: Packed, batch: Batch) -> Loss:
        """The sum of a batch's losses over its units."""

    def units(self, batch: Batch) -> int:
        """How many these are."""


# A recipe and its rows -> the rows that are learned from, the model before training, and its lesson.
Prepare = Callable[[Recipe, Tables], tuple[Tables, MultiTaskModel, Lesson]]
