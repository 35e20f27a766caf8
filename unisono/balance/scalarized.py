"""Weightings by TorchJD's scalarizers: λᵢ is the derivative of the scalarized losses by loss i."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torchjd.scalarization import DWA as DWAScalarizer
from torchjd.scalarization import FAMO as FAMOScalarizer
from torchjd.scalarization import IMTLL, STCH, UW, GeometricMean, Random, Scalarizer

from unisono.balance.base import Balance, Seen, State, at

TINY = 1e-12  # losses of exactly 0 have no logarithm


def derivative(scalarizer: Scalarizer, losses: Tensor) -> Tensor:
    """(T,) the derivative of the scalarized losses by each loss."""
    values = losses.detach().clone().requires_grad_(True)
    (found,) = torch.autograd.grad(scalarizer(values), values)
    return found


class Stateless(Balance):
    """Geometric loss (Chennupati et al. 2019) and smooth Tchebycheff (Lin et al. 2024): λ from this step's losses."""

    needs: ClassVar = "losses"
    weighs_heads = True

    def __init__(self, count: int, scalarizer: Scalarizer) -> None:
        super().__init__(count)
        self.scalarizer = scalarizer

    def weights(self, seen: Seen) -> Tensor:
        return derivative(self.scalarizer, seen.losses.clamp(min=TINY))


def gls(count: int) -> Balance:
    """(Π Lᵢ)^(1/T)."""
    return Stateless(count, GeometricMean())


def stch(count: int, *, mu: float) -> Balance:
    """μ log Σ exp(Lᵢ / (T μ))."""
    return Stateless(count, STCH(mu))


class RandomWeights(Balance):
    """λ is the softmax of T normal draws. Lin et al. 2022, algorithm 2. Multiplied by T, so that the mean is 1."""

    needs: ClassVar = "nothing"
    weighs_heads = True

    def ready(self, places: Sequence[int]) -> Tensor:
        return len(places) * derivative(Random(), torch.ones(len(places), dtype=torch.float64))

    def weights(self, seen: Seen) -> Tensor:
        return torch.ones(len(seen.places), dtype=torch.float64)  # nothing is learned from a step


class Learned(Balance):
    """λ is a function of one learned number a task: uncertainty weighting (Kendall et al. 2018) and IMTL-L.

    The numbers follow the gradient of TorchJD's scalarization by an Adam of their own; an absent task's stays.

    Args:
        lr: learning rate of the numbers.
    """

    needs: ClassVar = "nothing"
    weighs_heads = True

    def __init__(self, count: int, scalarizer: UW | IMTLL, *, lr: float) -> None:
        super().__init__(count)
        self.scalarizer = scalarizer.double()
        (self.numbers,) = self.scalarizer.parameters()
        self.lr = lr
        self.moments = torch.zeros(3, count, dtype=torch.float64)  # first and second moment, steps taken

    def ready(self, places: Sequence[int]) -> Tensor:
        return derivative(self.scalarizer, torch.ones(self.count, dtype=torch.float64))[at(places)]

    def weights(self, seen: Seen) -> Tensor:
        used = self.ready(seen.places)
        here = at(seen.places)
        losses = torch.ones(self.count, dtype=torch.float64)
        losses[here] = seen.losses
        (slope,) = torch.autograd.grad(self.scalarizer(losses), self.numbers)
        with torch.no_grad():
            self.numbers[here] -= self.lr * adam(self.moments, slope, here)
        return used

    def state_dict(self) -> State:
        return {"numbers": self.numbers.detach(), "moments": self.moments}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.numbers.copy_(state["numbers"])
        self.moments = state["moments"].clone()


def adam(moments: Tensor, slope: Tensor, here: Tensor) -> Tensor:
    """(T,) one step of Adam (Kingma & Ba 2015, algorithm 1) for the numbers at ``here``; changes ``moments``."""
    moments[0, here] = 0.9 * moments[0, here] + 0.1 * slope[here]
    moments[1, here] = 0.999 * moments[1, here] + 0.001 * slope[here] ** 2
    moments[2, here] += 1
    first = moments[0, here] / (1 - 0.9 ** moments[2, here])
    second = moments[1, here] / (1 - 0.999 ** moments[2, here])
    return first / (second.sqrt() + 1e-8)


class DWA(Balance):
    """Dynamic weight average: tasks whose mean loss falls slowly weigh more. Liu et al. 2019, eq. 7.

    Args:
        period: steps over which a mean loss is taken, the paper's epoch. A task that was absent from a step counts
            with its last loss.
    """

    needs: ClassVar = "nothing"
    weighs_heads = True

    def __init__(self, count: int, *, temperature: float, period: int) -> None:
        super().__init__(count)
        self.scalarizer = DWAScalarizer(temperature)
        self.period = max(1, period)
        self.latest = torch.ones(count, dtype=torch.float64)

    def ready(self, places: Sequence[int]) -> Tensor:
        asked = copy.copy(self.scalarizer)  # asking adds to the sums of the copy alone
        return derivative(asked, self.latest)[at(places)]

    def weights(self, seen: Seen) -> Tensor:
        used = self.ready(seen.places)
        self.latest[at(seen.places)] = seen.losses
        self.scalarizer(self.latest)
        if self.scalarizer._n_batches >= self.period:
            self.scalarizer.step()
        return used

    def state_dict(self) -> State:
        inside = self.scalarizer
        summed = torch.zeros(self.count, dtype=torch.float64) if inside._loss_sum is None else inside._loss_sum
        past = inside._previous_averages
        return {
            "latest": self.latest,
            "sum": summed,
            "steps": torch.tensor(inside._n_batches),
            "past": torch.stack(past) if past else torch.zeros(0, self.count, dtype=torch.float64),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.latest = state["latest"].clone()
        self.scalarizer._n_batches = int(state["steps"])
        self.scalarizer._loss_sum = state["sum"].clone() if self.scalarizer._n_batches else None
        self.scalarizer._previous_averages = [row.clone() for row in state["past"]]


class FAMO(Balance):
    """Fast adaptive multitask optimization: all losses fall at the same rate. Liu et al. 2023, algorithm 1.

    After the update it looks at the same rows' losses once more. A task that was absent counts as unchanged.
    """

    needs: ClassVar = "losses"
    weighs_heads = True
    looks_again = True

    def __init__(self, count: int, *, lr: float, weight_decay: float) -> None:
        super().__init__(count)
        self.scalarizer = FAMOScalarizer(count, lr=lr, weight_decay=weight_decay).double()
        self.latest = torch.ones(count, dtype=torch.float64)

    def weights(self, seen: Seen) -> Tensor:
        here = at(seen.places)
        self.latest[here] = seen.losses
        return derivative(self.scalarizer, self.latest.clamp(min=TINY))[here]

    def after(self, places: Sequence[int], losses: Tensor) -> None:
        now = self.latest.clone()
        now[at(places)] = losses.to(now)
        self.scalarizer.update(now.clamp(min=TINY))

    def state_dict(self) -> State:
        out = {"logits": self.scalarizer._w.detach(), "latest": self.latest}
        optimizer = self.scalarizer._optimizer
        if optimizer is not None:
            out |= {f"adam.{name}": value for name, value in optimizer.state[self.scalarizer._w].items()}
        return out

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        inside = self.scalarizer
        with torch.no_grad():
            inside._w.copy_(state["logits"])
        self.latest = state["latest"].clone()
        moments = {n.removeprefix("adam."): v.clone() for n, v in state.items() if n.startswith("adam.")}
        if moments:
            inside._optimizer = torch.optim.Adam([inside._w], lr=inside.lr, weight_decay=inside.weight_decay)
            inside._optimizer.state[inside._w] = moments


def uncertainty(count: int, *, lr: float) -> Balance:
    """Σ ½ exp(-sᵢ) Lᵢ + ½ sᵢ, s = log σ². Kendall et al. 2018, eq. 10."""
    return Learned(count, UW(count), lr=lr)


def imtl_l(count: int, *, lr: float) -> Balance:
    """Σ exp(sᵢ) Lᵢ - sᵢ. Liu et al. 2021, IMTL, eq. 4."""
    return Learned(count, IMTLL(count), lr=lr)
