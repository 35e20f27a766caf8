"""EMA: an exponential moving average of the weights, evaluated and saved in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """The average of a model's parameters over the last ``1 / (1 - decay)`` updates or so. Polyak & Juditsky 1992.

    Args:
        named_parameters: of the model, in fp32; they are read again at every ``update``.
        decay: the share of the average kept at each update. In the first updates it is ``(1 + n) / (10 + n)`` if
            that is less, so the average does not cling to the initial weights.
    """

    def __init__(self, named_parameters: Iterable[tuple[str, nn.Parameter]], decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema: decay must lie in [0, 1), got {decay}")
        self.decay, self.updates = decay, 0
        named = dict(named_parameters)
        self._names, self._live = list(named), list(named.values())
        self._mean = [parameter.detach().clone() for parameter in self._live]

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights as they are now: once after each optimizer step."""
        kept = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._mean, [p.detach() for p in self._live], 1 - kept)
        self.updates += 1

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Within, the model has the averaged weights. In place: memory for one tensor more, and no pointer changes."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights by name, not copied."""
        return dict(zip(self._names, self._mean, strict=True))

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Takes up the average where ``tensors()`` and ``updates`` left it. KeyError if a parameter is missing."""
        for name, mean in zip(self._names, self._mean, strict=True):
            mean.copy_(tensors[name])
        self.updates = updates

    @torch.no_grad()
    def _swap(self) -> None:
        for live, mean in zip(self._live, self._mean, strict=True):
            before = live.detach().clone()
            live.copy_(mean)
            mean.copy_(before)
