"""What a balance method is given, and what it gives back. It sees neither model nor optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Seen:
    """What one step showed of the T tasks that had labelled units in it.

    Args:
        places: their numbers among all tasks, increasing.
        losses: (T,) mean losses, float64 on the CPU, λ of the recipe included.
        gramian: (T, T) inner products of their gradients over all shared parameters, float64 on the CPU.
        last: (T, T) the same over the trunk's last layer.
        cross: (T, T) inner products of two independent estimates of these gradients, from one half of the rows each.
        matrix: (T, P) the gradients themselves.
    """

    places: tuple[int, ...]
    losses: Tensor
    gramian: Tensor | None = None
    last: Tensor | None = None
    cross: Tensor | None = None
    matrix: Tensor | None = None

    def need(self, what: Literal["gramian", "last", "cross", "matrix"]) -> Tensor:
        """The field of that name, which the method's ``needs`` asked for."""
        found: Tensor | None = getattr(self, what)
        if found is None:
            raise ValueError(f"this method needs the {what} of the tasks' gradients")
        return found


class Balance(ABC):
    """One method over a fixed list of tasks, of which any step may show a part.

    ``weights`` gives w with the update of the shared parameters = Σ wᵢ gᵢ; tasks of a weighting have their heads'
    gradients multiplied by wᵢ too. Random methods draw from torch's global generator, which the caller seeds.

    Args:
        count: how many tasks there are.
    """

    needs: ClassVar[Literal["nothing", "losses", "gramian", "cross", "matrix"]] = "gramian"
    weighs_heads: ClassVar[bool] = False
    at_features: ClassVar[bool] = True  # gradients at the trunk's output, of other rows in every step, will do
    looks_again: ClassVar[bool] = False  # wants the step's losses once more, after the update

    def __init__(self, count: int) -> None:
        self.count = count

    def ready(self, places: Sequence[int]) -> Tensor | None:
        """(T,) weights where they do not depend on this step (``needs`` = nothing), else None."""
        return None

    @abstractmethod
    def weights(self, seen: Seen) -> Tensor:
        """(T,) weights of this step, float64; what is learned from the step is learned here."""

    def update(self, seen: Seen, weights: Tensor) -> Tensor | None:
        """(P,) the update itself where it is no weighted sum of the tasks' gradients, else None."""
        return None

    def after(self, places: Sequence[int], losses: Tensor) -> None:  # noqa: B027
        """The same rows' losses (T,) after the update, for a method that ``looks_again``."""

    def state_dict(self) -> State:
        """What it remembers between steps, as tensors."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Takes back what ``state_dict`` gave."""


def at(places: Sequence[int]) -> Tensor:
    """(T,) places as an index."""
    return torch.tensor(list(places), dtype=torch.long)
