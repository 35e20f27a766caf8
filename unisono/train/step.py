"""One step's gradients: every task's rows forward and backward in turn, so that memory is that of one task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from unisono.heads import Loss
from unisono.model import Batch


@dataclass(frozen=True)
class Pass:
    """Rows that go through the model together."""

    rows: tuple[int, ...]
    batch: Batch
    half: int = 0  # which of two independent halves of the step's rows they belong to, where a balance wants that


def gradients(
    loss_of: Callable[[Batch], Loss],
    passes: Mapping[str, Sequence[Pass]],
    units: Mapping[str, int],
    weights: Mapping[str, float],
    *,
    autocast: Callable[[], AbstractContextManager[None]],
    backward: Callable[[Tensor], None],
) -> dict[str, list[Tensor]]:
    """Adds to ``.grad`` the gradient of L = Σ λᵢLᵢ, with Lᵢ the mean over task i's labelled units.

    Args:
        loss_of: the model, or what else gives the loss of a batch.
        passes: task -> its rows, cut into passes, on the model's device.
        units: task -> labelled units of the whole step, over all passes and processes: what each total is divided by.
        weights: task -> λ.
        autocast: makes the context of the forward pass; ``backward`` runs the backward pass of a scalar.

    Returns:
        task -> each pass's total loss, detached.
    """
    out: dict[str, list[Tensor]] = {}
    for task, parts in passes.items():
        out[task] = []
        for part in parts:
            with autocast():
                loss = loss_of(part.batch)
            out[task].append(loss.total.detach().float())
            if loss.units and weights[task]:
                backward(loss.total * (weights[task] / units[task]))
    return out


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed, on a GPU or in main memory."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)
    )
