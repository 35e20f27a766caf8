"""Small Jacobians, and the registry's methods over them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unisono.balance.base import Balance, Seen
from unisono.balance.make import make
from unisono.balance.methods import METHODS, SUMS

AGGREGATIONS = [name for name, method in METHODS.items() if method.kind == "aggregation"]
WEIGHTINGS = [name for name, method in METHODS.items() if method.kind == "weighting" and name not in SUMS]
EVERY = [*WEIGHTINGS, *AGGREGATIONS]
RANDOM = {"rlw", "pcgrad", "gradvac", "graddrop"}


def jacobian(tasks: int, width: int = 12, *, seed: int = 0, common: float = 0.0) -> Tensor:
    """(T, P) random gradients; ``common`` adds a part that all share, so that they conflict less."""
    draw = torch.Generator().manual_seed(seed)
    own = torch.randn(tasks, width, generator=draw, dtype=torch.float64)
    return own + common * torch.randn(1, width, generator=draw, dtype=torch.float64)


def seen(matrix: Tensor, losses: Sequence[float] | None = None, places: Sequence[int] | None = None) -> Seen:
    """What a step with these gradients shows. Both halves of the rows agree, so ``cross`` is the Gramian."""
    gramian = matrix @ matrix.T
    return Seen(
        tuple(places or range(len(matrix))),
        torch.tensor(losses or [1.0 + i for i in range(len(matrix))], dtype=torch.float64),
        gramian=gramian,
        last=gramian,
        cross=gramian,
        matrix=matrix,
    )


def built(name: str, count: int, **options: float) -> Balance:
    method = make(name, count, options, period=2)
    assert method is not None
    return method


def step(method: Balance, shown: Seen, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(T,) weights and (P,) update of one step, as training takes it."""
    torch.manual_seed(seed)
    ready = method.ready(shown.places)
    weights = method.weights(shown)
    used = ready if method.needs == "nothing" else weights
    assert used is not None
    update = method.update(shown, used)
    matrix = shown.need("matrix")
    if method.looks_again:
        method.after(shown.places, shown.losses * 0.9)
    return used, used.to(matrix) @ matrix if update is None else update


def update_of(
    name: str, matrix: Tensor, *, losses: Sequence[float] | None = None, seed: int = 0, **options: float
) -> Tensor:
    return step(built(name, len(matrix), **options), seen(matrix, losses), seed)[1]
