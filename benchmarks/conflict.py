"""A known conflict: two tasks whose gradients oppose each other at scales 1 : 100. Who brings both to their optimum?

    python benchmarks/conflict.py [--steps 300]

Two losses over shared parameters x ∈ R²: Lᵢ = sᵢ · ½ (uᵢᵀ (x - c))², s = (1, 100), u₁ᵀu₂ = -0.9. At the start the two
gradients have a cosine of -0.9, and yet x = c is the optimum of both. Gradient descent with clipping at norm 1, as in
training; for every method the learning rate is chosen from a grid by its worse task. Shown: the share of the way from
the start's loss to its own optimum (0) that each task has gone. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json

import torch
from torch import Tensor

from unisono.balance.base import Seen
from unisono.balance.make import make
from unisono.balance.methods import METHODS, SUMS

SCALES = torch.tensor([1.0, 100.0], dtype=torch.float64)
TOWARDS = torch.tensor([[1.0, 0.0], [-0.9, 0.19**0.5]], dtype=torch.float64)  # u, of length 1
OPTIMUM = torch.linalg.solve(TOWARDS, -torch.ones(2, dtype=torch.float64))  # from x = 0, uᵀ (x - c) = 1 for both


def losses_of(x: Tensor) -> tuple[Tensor, Tensor]:
    """(2,) losses and (2, 2) gradients."""
    away = TOWARDS @ (x - OPTIMUM)
    return 0.5 * SCALES * away**2, (SCALES * away)[:, None] * TOWARDS


def descend(name: str, lr: float, steps: int) -> Tensor:
    """(2,) share of each task's way from the start to its own optimum (whose loss is 0)."""
    method = make(name, 2, period=50)
    x = torch.zeros(2, dtype=torch.float64)
    start, _ = losses_of(x)
    for number in range(steps):
        losses, matrix = losses_of(x)
        if not torch.isfinite(losses).all():
            return torch.full((2,), -torch.inf, dtype=torch.float64)
        gramian = matrix @ matrix.T
        seen = Seen((0, 1), losses, gramian, gramian, gramian, matrix)
        torch.manual_seed(number)
        if method is None:
            update = matrix.sum(0)
        else:
            ready = method.ready((0, 1))
            weights = method.weights(seen)
            used = weights if ready is None else ready
            found = method.update(seen, used)
            update = used @ matrix if found is None else found
        norm = update.norm()
        x = x - lr * update / norm if norm > 1 else x - lr * update
        if method is not None and method.looks_again:
            method.after((0, 1), losses_of(x)[0])
    return 1 - losses_of(x)[0] / start


def main(steps: int) -> None:
    for name in METHODS:
        if name in SUMS and name != "sum":
            continue
        ways = [(descend(name, lr, steps), lr) for lr in (1.0, 0.1, 0.01)]
        share, lr = max(ways, key=lambda way: float(way[0].min()))
        print(
            json.dumps(
                {
                    "benchmark": "opposed gradients, scales 1 : 100",
                    "balance": name,
                    "lr": lr,
                    "small task": round(float(share[0]), 4),
                    "large task": round(float(share[1]), 4),
                    "worse": round(float(share.min()), 4),
                    "target": ">= 0.95 for the best method",
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    main(parser.parse_args().steps)
