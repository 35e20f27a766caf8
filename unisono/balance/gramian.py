"""Aggregations that need no more than the Gramian of the tasks' gradients, by TorchJD's weightings.

Scale: where a paper's update is a mean of the tasks' gradients it is multiplied by T, so that gradients that do not
conflict give what the plain sum gives, and the learning rate need not follow the method.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torchjd.aggregation import (
    AlignedMTLWeighting,
    CAGradWeighting,
    ConFIG,
    DualProjWeighting,
    FairGradWeighting,
    GradVacWeighting,
    IMTLGWeighting,
    MGDAWeighting,
    MoDoWeighting,
    NashMTL,
    PCGradWeighting,
    SDMGradWeighting,
    UPGradWeighting,
    Weighting,
)

from unisono.balance.base import Balance, Seen, State, at


class ByGramian(Balance):
    """A weighting without memory.

    Args:
        make: from T, TorchJD's weighting. ``mean``: its weights are those of a mean, to be multiplied by T.
    """

    needs: ClassVar = "gramian"

    def __init__(self, count: int, make: Callable[[int], Weighting[Tensor]], *, mean: bool) -> None:
        super().__init__(count)
        self.make, self.mean = make, mean

    def weights(self, seen: Seen) -> Tensor:
        gramian = seen.need("gramian")
        found = self.make(len(gramian))(gramian)
        return found * len(gramian) if self.mean else found


def _ones(count: int) -> Tensor:
    return torch.ones(count, dtype=torch.float64)


def mgda(count: int, *, epsilon: float, max_iters: int) -> Balance:
    return ByGramian(count, lambda t: MGDAWeighting(epsilon, max_iters), mean=True)


def pcgrad(count: int) -> Balance:
    return ByGramian(count, lambda t: PCGradWeighting(), mean=False)


def cagrad(count: int, *, c: float) -> Balance:
    return ByGramian(count, lambda t: CAGradWeighting(c), mean=True)


def imtl_g(count: int) -> Balance:
    return ByGramian(count, lambda t: IMTLGWeighting(), mean=True)


def aligned_mtl(count: int, *, scale_mode: str) -> Balance:
    return ByGramian(count, lambda t: AlignedMTLWeighting(_ones(t), scale_mode), mean=False)


def fairgrad(count: int, *, alpha: float) -> Balance:
    return ByGramian(count, lambda t: FairGradWeighting(alpha), mean=False)


def dualproj(count: int) -> Balance:
    return ByGramian(count, lambda t: DualProjWeighting(_ones(t)), mean=False)


def upgrad(count: int) -> Balance:
    return ByGramian(count, lambda t: UPGradWeighting(_ones(t)), mean=False)


class ByFactor(Balance):
    """A method over the gradients J that only turns with them: it gets R (T, T) with R Rᵀ = J Jᵀ in their place.

    Its update v for R is Σ wᵢ rᵢ, and the same w then makes its update for J.
    """

    needs: ClassVar = "gramian"

    def __init__(self, count: int, aggregate: Callable[[Tensor], Tensor]) -> None:
        super().__init__(count)
        self.aggregate = aggregate

    def weights(self, seen: Seen) -> Tensor:
        factor = root(seen.need("gramian"))
        update = self.aggregate(factor)
        return torch.linalg.lstsq(factor.T, update, driver="gelsd").solution


def root(gramian: Tensor) -> Tensor:
    """(T, T) R with R Rᵀ = gramian."""
    values, vectors = torch.linalg.eigh(gramian)
    return vectors * values.clamp(min=0).sqrt()


def config(count: int) -> Balance:
    return ByFactor(count, ConFIG())


class GradVac(Balance):
    """Gradients are turned until they agree as much as they have agreed on average. Wang et al. 2021, eq. 4 and 5.

    Args:
        beta: how fast the remembered agreement φ (count, count) follows.
    """

    def __init__(self, count: int, *, beta: float) -> None:
        super().__init__(count)
        self.beta = beta
        self.agreement = torch.zeros(count, count, dtype=torch.float64)

    def weights(self, seen: Seen) -> Tensor:
        gramian = seen.need("gramian")
        inside = GradVacWeighting(beta=self.beta)
        here = at(seen.places)
        grid = torch.meshgrid(here, here, indexing="ij")
        inside._phi_t = self.agreement[grid].clone()
        inside._state_key = (len(gramian), gramian.dtype)
        found = inside(gramian)
        self.agreement[grid] = inside._phi_t
        return found

    def state_dict(self) -> State:
        return {"agreement": self.agreement}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.agreement = state["agreement"].clone()


class Nash(Balance):
    """The tasks' bargaining solution: G w = 1/w. Navon et al. 2022, algorithm 1, each step started from the last w.

    Args:
        optim_niter: linearizations at most.
    """

    def __init__(self, count: int, *, optim_niter: int) -> None:
        super().__init__(count)
        self.optim_niter = optim_niter
        self.before = torch.ones(count, dtype=torch.float64)

    def weights(self, seen: Seen) -> Tensor:
        here = at(seen.places)
        if len(here) == 1:  # nobody to bargain with, and the solver takes no single number
            return seen.need("gramian")[0].clamp(min=1e-24).rsqrt()
        inside = NashMTL(len(here), max_norm=0.0, optim_niter=self.optim_niter).weighting
        inside.prvs_alpha = self.before[here].numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cvxpy explains why it will not reuse its work; each step is a new problem
            found = inside(root(seen.need("gramian"))).double()
        self.before[here] = found
        return found

    def state_dict(self) -> State:
        return {"before": self.before}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.before = state["before"].clone()


class Halves(Balance):
    """Weights on the simplex that follow products of two independent gradient estimates, from half of the rows each.

    SDMGrad (Xiao et al. 2023, algorithm 1) and MoDo (Chen et al. 2023, algorithm 1). Multiplied by T.
    """

    needs: ClassVar = "cross"
    at_features = False

    def __init__(self, count: int, inside: SDMGradWeighting | MoDoWeighting, name: str) -> None:
        super().__init__(count)
        self.inside, self.name = inside, name
        self.simplex = torch.full((count,), 1 / count, dtype=torch.float64)

    def weights(self, seen: Seen) -> Tensor:
        cross = seen.need("cross")
        here = at(seen.places)
        mass = self.simplex[here].sum()
        start = self.simplex[here] / mass if mass > 0 else torch.full_like(cross[0], 1 / len(here))
        setattr(self.inside, self.name, start)
        self.inside._state_key = (len(cross), cross.dtype, cross.device)
        found = self.inside(cross)
        learned: Tensor = getattr(self.inside, self.name)
        self.simplex[here] = learned * mass
        return found * len(here)

    def state_dict(self) -> State:
        return {"simplex": self.simplex}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.simplex = state["simplex"].clone()


def sdmgrad(count: int, *, lr: float, momentum: float, n_iter: int, lambda_: float) -> Balance:
    return Halves(count, SDMGradWeighting(lr, momentum, n_iter, lambda_), "_w")


def modo(count: int, *, gamma: float, rho: float) -> Balance:
    return Halves(count, MoDoWeighting(gamma, rho), "_lambda")
