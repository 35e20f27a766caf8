"""GradNorm: λ is learned so that all tasks train at similar rates. Chen et al. 2018 (arXiv 1711.02257), algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from unisono.balance.base import Balance, Seen, State, at
from unisono.balance.scalarized import adam


class GradNorm(Balance):
    """The gradient of Σ |Gᵢ - Ḡ rᵢ^α| by λ, with Gᵢ = ‖λᵢ ∇Lᵢ‖ on the last shared layer (eq. 1 and 2).

    Args:
        alpha: how strongly slow tasks are pulled forward.
        lr: learning rate of λ. After each step λ is brought back to the sum T.
    """

    needs: ClassVar = "gramian"
    weighs_heads = True
    at_features = False

    def __init__(self, count: int, *, alpha: float, lr: float) -> None:
        super().__init__(count)
        self.alpha, self.lr = alpha, lr
        self.scale = torch.ones(count, dtype=torch.float64)
        self.first = torch.zeros(count, dtype=torch.float64)  # Lᵢ(0); 0: not seen yet
        self.moments = torch.zeros(3, count, dtype=torch.float64)

    def weights(self, seen: Seen) -> Tensor:
        here = at(seen.places)
        used = self.scale[here].clone()
        new = self.first[here] == 0
        self.first[here[new]] = seen.losses[new].double().clamp(min=1e-12)
        norms = seen.need("last").diagonal().double().clamp(min=0).sqrt()
        size = used * norms
        rate = seen.losses.double() / self.first[here]
        target = size.mean() * (rate / rate.mean().clamp(min=1e-12)) ** self.alpha  # a constant (section 3.2)
        slope = torch.zeros(self.count, dtype=torch.float64)
        slope[here] = norms * torch.sign(size - target)
        self.scale[here] -= self.lr * adam(self.moments, slope, here)
        self.scale.clamp_(min=1e-3)
        self.scale *= self.count / self.scale.sum()
        return used

    def state_dict(self) -> State:
        return {"scale": self.scale, "first": self.first, "moments": self.moments}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.scale, self.first = state["scale"].clone(), state["first"].clone()
        self.moments = state["moments"].clone()
