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
        self._found: list[list[Tensor | None]] = []  # pass -> task -> (N, D)
        self._like: list[Tensor] = []  # pass -> (N, D), for its shape

    def forward(self, units: Mapping[str, int], weights: Mapping[str, float], around: Around) -> Losses:
        """Runs the passes up to the trunk's output and back to it; heads get their gradients, with the recipe's λ."""
        losses: Losses = {}
        for one in self._passes:
            self._seeds.append(int(torch.randint(2**62, ())))
            states = self._states_of(one, self._seeds[-1], around, graph=len(self._passes) == 1)
            found = dict(at_states(states, one, units, weights, around, losses))
            self._found.append([found.get(task) for task in self._tasks])
            self._like.append(states.values.detach())
            if len(self._passes) == 1:
                self._states = states
        return losses

    def gramian(self) -> Tensor:
        """(T, T) inner products of the gradients, float64 on the CPU."""
        out = torch.zeros(len(self._tasks), len(self._tasks), dtype=torch.float64)
        for number in range(len(self._found)):
            rows = self._rows(number).flatten(1)
            out += (rows @ rows.T).cpu().double()
        return out

    def matrix(self) -> Tensor:
        """(T, ΣND) the gradients themselves."""
        return torch.cat([self._rows(number).flatten(1) for number in range(len(self._found))], dim=1)

    def backward(self, weights: Tensor, update: Tensor | None, around: Around) -> None:
        """Adds the shared parameters' gradient to ``.grad``.

        Args:
            weights: (T,) of the tasks' gradients. ``update``: (ΣND,) what to take in place of their weighted sum.
        """
        at = 0
        for number, one in enumerate(self._passes):
            like = self._like[number]
            if update is None:
                gradient = torch.tensordot(weights.to(like.device, torch.float32), self._rows(number), dims=1)
            else:
                gradient = update[at : at + like.numel()].view_as(like)
                at += like.numel()
            states = self._states or self._states_of(one, self._seeds[number], around, graph=True)
            send_back(states, gradient.to(like.dtype))

    def _states_of(self, one: Pass, seed: int, around: Around, *, graph: bool) -> Packed:
        torch.manual_seed(seed)
        with torch.set_grad_enabled(graph), around.autocast():
            return around.states(one.batches)

    def _rows(self, number: int) -> Tensor:
        """(T, N, D) float32."""
        like = self._like[number]
        return torch.stack([(torch.zeros_like(like) if g is None else g).float() for g in self._found[number]])
