"""DB-MTL: log losses, and gradients brought to the same length. Lin et al. 2023 (arXiv 2308.12029), algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from unisono.balance.base import Balance, Seen, State, at


class DBMTL(Balance):
    """ĝᵢ ← β ĝᵢ + (1 - β) ∇ log Lᵢ; the update is α Σ ĝᵢ/‖ĝᵢ‖ with α = max ‖ĝᵢ‖ (eq. 3 and 4).

    Keeps a running gradient of every task: T times the shared parameters of memory more.

    Args:
        beta: at step k the share of the past is ``beta / k ** beta_sigma`` (section 3.2).
    """

    needs: ClassVar = "matrix"
    weighs_heads = True
    at_features = False

    def __init__(self, count: int, *, beta: float, beta_sigma: float) -> None:
        super().__init__(count)
        self.beta, self.beta_sigma = beta, beta_sigma
        self.steps = 0
        self.kept: Tensor | None = None  # (T, P)

    def weights(self, seen: Seen) -> Tensor:
        return 1 / (seen.losses.double() + 1e-8)  # ∇ log L = ∇L / L: what the heads learn by

    def update(self, seen: Seen, weights: Tensor) -> Tensor:
        matrix = seen.need("matrix")
        here = at(seen.places).to(matrix.device)
        if self.kept is None:
            self.kept = matrix.new_zeros(self.count, matrix.shape[1])
        self.steps += 1
        past = self.beta / self.steps**self.beta_sigma
        scaled = matrix * weights.to(matrix)[:, None]
        running = self.kept.index_select(0, here).mul_(past).add_(scaled, alpha=1 - past)
        self.kept.index_copy_(0, here, running)
        norms = running.norm(dim=1)
        return (norms.max() / (norms + 1e-8)) @ running

    def state_dict(self) -> State:
        out = {"steps": torch.tensor(self.steps)}
        return out if self.kept is None else {**out, "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.steps = int(state["steps"])
        self.kept = state["kept"].clone() if "kept" in state else None
