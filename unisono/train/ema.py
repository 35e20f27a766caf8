"""Ema: an exponential moving average of the weights, evaluated and saved in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Named = Iterable[tuple[str, nn.Parameter]]
_COUNT = "updates"  # stored beside the weights, whose names all have a dot


class Ema:
    """The average of a model's weights over the last ``1 / (1 - decay)`` updates or so. Polyak & Juditsky 1992.

    Args:
        named_parameters: of the model; the average is kept in their type, on their device.
        decay: the share of the average kept at each update. In the first updates it is ``(1 + n) / (10 + n)`` if
            that is less, so the average does not cling to the initial weights.
    """

    def __init__(self, named_parameters: Named, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema: decay must lie in [0, 1), got {decay}")
        self.decay, self.updates = decay, 0
        self._mean = {name: parameter.detach().clone() for name, parameter in named_parameters}

    @torch.no_grad()
    def update(self, named_parameters: Named) -> None:
        """Takes in the weights as they are now: once after each optimizer step."""
        kept = min(self.decay, (1 + self.updates) / (10 + self.updates))
        live = dict(named_parameters)
        torch._foreach_lerp_(list(self._mean.values()), [live[name] for name in self._mean], 1 - kept)
        self.updates += 1

    @contextmanager
    def swapped(self, named_parameters: Named) -> Iterator[None]:
        """Within, the model has the averaged weights. In place: memory for one tensor more, and no pointer changes."""
        live = dict(named_parameters)
        self._swap(live)
        try:
            yield
        finally:
            self._swap(live)

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights by name, not copied, and how many updates they have seen."""
        return {**self._mean, _COUNT: torch.tensor(self.updates)}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes up the average where ``tensors()`` left it. KeyError if a parameter is missing."""
        for name, mean in self._mean.items():
            mean.copy_(tensors[name])
        self.updates = int(tensors[_COUNT])

    @torch.no_grad()
    def _swap(self, live: Mapping[str, nn.Parameter]) -> None:
        for name, mean in self._mean.items():
            before = mean.clone()
            mean.copy_(live[name])
            live[name].copy_(before)
