"""Methods that look at every number of the tasks' gradients: GradDrop and ExcessMTL, by TorchJD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torchjd.aggregation import ExcessMTLWeighting
from torchjd.aggregation import GradDrop as GradDropAggregator

from unisono.balance.base import Balance, Seen, State, at

COLUMNS = 1 << 20  # looked at together, so that the method's own temporaries stay small


class GradDrop(Balance):
    """Of each number only the tasks' parts of one sign are kept, drawn by weight. Chen et al. 2020, algorithm 1."""

    needs: ClassVar = "matrix"

    def weights(self, seen: Seen) -> Tensor:
        return torch.ones(len(seen.places), dtype=torch.float64)

    def update(self, seen: Seen, weights: Tensor) -> Tensor:
        drop = GradDropAggregator()
        return torch.cat([drop(part) for part in seen.need("matrix").split(COLUMNS, dim=1)])


class ExcessMTL(Balance):
    """Tasks that are far from their optimum weigh more, by an estimate of their excess risk. He et al. 2024.

    Keeps the sum of squared gradients of every task (eq. 7): T times the shared parameters of memory more.
    A step without one of the tasks leaves what is remembered as it was, and uses it.
    """

    needs: ClassVar = "matrix"
    weighs_heads = True
    at_features = False

    def __init__(self, count: int, *, robust_step_size: float, n_warmup_steps: int) -> None:
        super().__init__(count)
        self.inside = ExcessMTLWeighting(robust_step_size, n_warmup_steps)

    def weights(self, seen: Seen) -> Tensor:
        if len(seen.places) < self.count:
            kept = self.inside._weights
            found = torch.ones(self.count) / self.count if kept is None else kept.cpu()
            return found[at(seen.places)].double() * self.count
        return self.inside(seen.need("matrix")).double().cpu() * self.count

    def state_dict(self) -> State:
        names = ("_weights", "_sq_grad_sum", "_initial_w", "_warmup_w_sum")
        found = {name: getattr(self.inside, name) for name in names}
        return {"steps": torch.tensor(self.inside._n_steps), **{n: v for n, v in found.items() if v is not None}}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, value in state.items():
            if name == "steps":
                self.inside._n_steps = int(value)
            else:
                setattr(self.inside, name, value.clone())
        summed = self.inside._sq_grad_sum
        if summed is not None:
            self.inside._state_key = (*summed.shape, summed.dtype, summed.device)
