"""Rounds: the Gramian of any number of tasks' gradients with a few of them in memory at a time; the rest runs again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unisono.balance.capture import Capture
from unisono.batch import Batch
from unisono.heads import Loss
from unisono.packed import Packed
from unisono.train.step import Around, Losses, Pass, at_states, gradients, send_back


class Rounds:
    """One step's gradients, of which ``hold`` are in memory at most.

    Each round captures ``hold - 1`` of them, and the others one after another beside these: of R gradients, about
    R²/2(hold - 1) are computed in all. Every run of a pass draws the same dropout.

    Args:
        capture: of the shared parameters.
        passes: of the step.
        rows: (task, half) of each gradient, R of them; ``halves``: 2 where a task's rows are in two halves, else 1.
        forget_heads: lets go of what the runs leave in the heads' ``.grad``.
        summed: adds up captured rows (R', P) over the processes, in place.
    """

    def __init__(
        self,
        capture: Capture,
        passes: Sequence[Pass],
        rows: Sequence[tuple[str, int]],
        *,
        halves: int,
        hold: int,
        forget_heads: Callable[[], None],
        summed: Callable[[Tensor], None],
    ) -> None:
        self._capture, self._passes, self._rows, self._halves, self._hold = capture, passes, rows, halves, hold
        self._forget_heads, self._summed = forget_heads, summed
        self._seed = int(torch.randint(2**62, ()))
        self.losses: Losses = {}  # task -> each pass's total loss, once the Gramian is known

    def gramians(self, units: Mapping[str, int], weights: Mapping[str, float], around: Around) -> dict[str, Tensor]:
        """Layer -> (R, R) inner products of the gradients, float64 on the CPU."""
        capture, count, held = self._capture, len(self._rows), self._hold - 1
        out = {name: torch.zeros(count, count, dtype=torch.float64) for name in capture.names}
        for start in range(0, count, held):
            block = list(range(start, min(start + held, count)))
            capture.begin(len(block) + 1)
            for at, row in enumerate(block):
                self._run(at, row, units, weights, around, first=not start)
            for name, found in capture.gramians(len(block)).items():
                out[name][start : start + len(block), start : start + len(block)] = found
            for row in range(start + len(block), count):
                self._run(len(block), row, units, weights, around, first=not start)
                for name, found in capture.gramians().items():
                    out[name][block, row] = out[name][row, block] = found[:-1, -1]
        return out

    def backward(
        self, units: Mapping[str, int], weights: Mapping[str, float], factors: Mapping[str, float], around: Around
    ) -> None:
        """Adds the gradient of Σ wᵢλᵢLᵢ to the shared parameters' ``.grad``, and each task's own to its head's.

        Args:
            factors: task -> w, by the balance.
        """
        for number, one in enumerate(self._passes):
            seeded = self._seeded(number, around)
            with around.autocast():
                states = seeded.states(one.batches)
            total: Tensor | None = None
            for task, gradient in at_states(states, one, units, weights, seeded, {}):
                part = gradient * factors.get(task, 0.0)
                total = part if total is None else total.add_(part)
            send_back(states, total)

    def _run(
        self,
        place: int,
        row: int,
        units: Mapping[str, int],
        weights: Mapping[str, float],
        around: Around,
        *,
        first: bool,
    ) -> None:
        """Captures gradient ``row`` at ``place`` of the buffer; in the first round, notes its losses."""
        task, half = self._rows[row]
        self._capture.clear(place)
        for number, one in enumerate(self._passes):
            own = tuple(batch for batch in one.batches if batch.task == task)
            if own and one.half % self._halves == half:
                alone = replace(one, batches=own)
                found = gradients(
                    [alone], units, weights, self._seeded(number, around), into=lambda _, __: self._capture.row(place)
                )
                if first:
                    self.losses.setdefault(task, []).extend(found[task])
        self._capture.end(place)
        self._summed(self._capture.matrix[place : place + 1])
        self._forget_heads()

    def _seeded(self, number: int, around: Around) -> Around:
        """The same, with dropout that depends on the pass and the task alone."""

        def states(_: Sequence[Batch]) -> Packed:
            torch.manual_seed((self._seed + 4096 * number) % 2**63)
            return around.states(self._passes[number].batches)  # all of them: what one task needs of the trunk is less

        def loss(of: Packed, batch: Batch) -> Loss:
            at = next(i for i, b in enumerate(self._passes[number].batches) if b.task == batch.task)
            torch.manual_seed((self._seed + 4096 * number + 1 + at) % 2**63)
            return around.loss(of, batch)

        return replace(around, states=states, loss=loss)
