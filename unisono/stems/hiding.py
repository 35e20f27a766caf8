"""Hiding: what a stem offers to tasks that hide a part of its input and learn to say what was there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from unisono.stems.base import Tokens

# What becomes of a vector: nothing; the mask takes its place; another symbol does; it stays, but is asked for.
LEFT, MASKED, SWAPPED, KEPT = 0, 1, 2, 3


class Contents(NamedTuple):
    """What the L vectors of a row stand for."""

    known: np.ndarray  # (L,) int32 numbers of symbols, or (L, P) float32 values
    free: np.ndarray  # (L,) bool: may be hidden; a start vector may not
    asked: np.ndarray  # (L,) bool: is a mask already, as whoever wrote the row asks what belongs there


class Hiding(ABC):
    """A stem whose vectors can be hidden. All but ``learn_mask`` and ``holds`` work on one example, on the CPU: its own
    fields in it change, those of others stay.
    """

    @abstractmethod
    def learn_mask(self) -> None:
        """Gives the stem the vector that stands for what is hidden, if it has none yet.

        Raises:
            ValueError: there is nothing that could stand for it.
        """

    @abstractmethod
    def holds(self) -> dict[str, Any]:
        """What a vector can stand for, as plain JSON: ``symbols``, V names in the order of their numbers, or
        ``values``, how many numbers P.
        """

    @abstractmethod
    def contents(self, tokens: Mapping[str, np.ndarray]) -> Contents:
        """What the vectors of a row stand for."""

    @abstractmethod
    def hide(self, tokens: Mapping[str, np.ndarray], how: np.ndarray, draw: np.random.Generator) -> Tokens:
        """The row with a part of it hidden. What could give that part away, such as other spellings, is left out.

        Args:
            how: (L,) uint8: LEFT, MASKED, KEPT or, of symbols, SWAPPED.
            draw: for symbols that take the place of others.
        """

    def varied(self, tokens: Mapping[str, np.ndarray]) -> Tokens:
        """The example as chance has it this time, before a part is hidden. Draws from torch's generator."""
        return dict(tokens)
