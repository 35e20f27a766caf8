"""Features: the tasks' gradients at the trunk's output, for tasks that share rows, and one backward pass from there.

The gradient of a task by any shared parameter is linear in its gradient by the trunk's output Z, so a weighted sum may
be taken there: T vectors of N x D numbers in place of T of all parameters. Sener & Koltun 2018, section 3.3 (MGDA-UB).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unisono.packed import Packed
from unisono.train.step import Around, Losses, Pass, at_states, send_back


class Features:
    """The gradients of one step.

    Of a single pass the graph is kept from ``forward`` to ``backward``. Of several it is not, so that memory stays that
    of one: the trunk runs them once more, with the same dropout.

    Args:
        passes: of the step.
        tasks: whose gradients are looked at, T of them.
    """

    def __init__(self, passes: Sequence[Pass], tasks: Sequence[str]) -> None:
        self._passes, self._tasks = passes, tasks
        self._states: Packed | None = None
        self._seeds: list[int] = []
        self._rows: list[Tensor] = []  # of each pass (T, N, D) float32

    def forward(self, units: Mapping[str, int], weights: Mapping[str, float], around: Around) -> Losses:
        """Runs the passes up to the trunk's output and back to it; heads get their gradients, with the recipe's λ."""
        losses: Losses = {}
        for one in self._passes:
            self._seeds.append(int(torch.randint(2**62, ())))
            states = self._states_of(one, self._seeds[-1], around, graph=len(self._passes) == 1)
            found = dict(at_states(states, one, units, weights, around, losses))
            nothing = torch.zeros_like(states.values)
            self._rows.append(torch.stack([found.get(task, nothing).float() for task in self._tasks]))
            if len(self._passes) == 1:
                self._states = states
        return losses

    def gramian(self) -> Tensor:
        """(T, T) inner products of the gradients, float64 on the CPU."""
        out = torch.zeros(len(self._tasks), len(self._tasks), dtype=torch.float64)
        for rows in self._rows:
            out += (rows.flatten(1) @ rows.flatten(1).T).cpu().double()
        return out

    def matrix(self) -> Tensor:
        """(T, ΣND) the gradients themselves; of a process without rows, (T, 0)."""
        if not self._rows:
            return torch.zeros(len(self._tasks), 0)
        return torch.cat([rows.flatten(1) for rows in self._rows], dim=1)

    def backward(self, weights: Tensor, update: Tensor | None, around: Around) -> None:
        """Adds the shared parameters' gradient to ``.grad``.

        Args:
            weights: (T,) of the tasks' gradients. ``update``: (ΣND,) what to take in place of their weighted sum.
        """
        at = 0
        for one, seed, rows in zip(self._passes, self._seeds, self._rows, strict=True):
            if update is None:
                gradient = torch.tensordot(weights.to(rows), rows, dims=1)  # (N, D)
            else:
                gradient = update[at : at + rows[0].numel()].view_as(rows[0])
                at += rows[0].numel()
            states = self._states or self._states_of(one, seed, around, graph=True)
            send_back(states, gradient.to(states.values.dtype))

    def _states_of(self, one: Pass, seed: int, around: Around, *, graph: bool) -> Packed:
        torch.manual_seed(seed)
        with torch.set_grad_enabled(graph), around.autocast():
            return around.states(one.batches)
