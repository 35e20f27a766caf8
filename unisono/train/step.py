"""One step's gradients: pass after pass forward and backward, so that memory is that of one pass and one head."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unisono.batch import Batch
from unisono.heads import Loss
from unisono.packed import Packed

Losses = dict[str, list[Tensor]]  # task -> each pass's total loss, detached


@dataclass(frozen=True)
class Pass:
    """Rows that go through the trunk together.

    Args:
        batches: one for each task that has labels of them.
        rows: task -> the numbers of its examples among them.
        half: which of two independent halves of the step's rows they belong to, where a balance wants that.
    """

    batches: tuple[Batch, ...]
    rows: Mapping[str, tuple[int, ...]]
    half: int = 0


class Backward(Protocol):
    """Runs the backward pass of a scalar."""

    def __call__(self, loss: Tensor, /) -> None: ...


@dataclass(frozen=True)
class Around:
    """How a pass is run.

    Args:
        states: batches of the same rows -> what the trunk makes of them.
        loss: states and one of the batches -> its loss.
        autocast: makes the context of the forward pass.
        backward: runs the backward pass of a scalar, scaled where the precision wants that.
    """

    states: Callable[[Sequence[Batch]], Packed]
    loss: Callable[[Packed, Batch], Loss]
    autocast: Callable[[], AbstractContextManager[None]]
    backward: Backward


def gradients(
    passes: Sequence[Pass],
    units: Mapping[str, int],
    weights: Mapping[str, float],
    around: Around,
    *,
    into: Callable[[Pass, str], AbstractContextManager[None]] | None = None,
) -> Losses:
    """Adds to ``.grad`` the gradient of L = Σ λᵢLᵢ, with Lᵢ the mean over task i's labelled units.

    Args:
        passes: of the step, on the model's device.
        units: task -> labelled units of the whole step, over all passes and processes: what each total is divided by.
        weights: task -> λ.
        into: keeps a task's gradient of the shared parameters in a pass apart from those of the others. Makes the
            context of its backward pass; tasks that share the rows then have one each.

    Returns:
        task -> each pass's total loss.
    """
    out: Losses = {}
    for one in passes:
        with around.autocast():
            states = around.states(one.batches)
        if len(one.batches) == 1:
            batch = one.batches[0]
            with around.autocast():
                loss = around.loss(states, batch)
            out.setdefault(batch.task, []).append(loss.total.detach().float())
            if loss.units and weights[batch.task]:
                with into(one, batch.task) if into else nullcontext():
                    around.backward(loss.total * (weights[batch.task] / units[batch.task]))
            continue
        if into is None:
            total: Tensor | None = None
            for _, gradient in at_states(states, one, units, weights, around, out):
                total = gradient if total is None else total.add_(gradient)
            send_back(states, total)
            continue
        found = list(at_states(states, one, units, weights, around, out))
        for number, (task, gradient) in enumerate(found):
            with into(one, task):
                send_back(states, gradient, again=number + 1 < len(found))
    return out


def at_states(
    states: Packed, one: Pass, units: Mapping[str, int], weights: Mapping[str, float], around: Around, out: Losses
) -> Iterator[tuple[str, Tensor]]:
    """Each task's gradient (N, D) of λᵢLᵢ at the trunk's output; its head gets its gradient on the way.

    Args:
        out: gets the losses. Tasks without a label in the pass, or with λ = 0, have no gradient.
    """
    for batch in one.batches:
        leaf = states.like(states.values.detach().requires_grad_())
        with around.autocast():
            loss = around.loss(leaf, batch)
        out.setdefault(batch.task, []).append(loss.total.detach().float())
        if loss.units and weights[batch.task]:
            around.backward(loss.total * (weights[batch.task] / units[batch.task]))
            assert leaf.values.grad is not None
            yield batch.task, leaf.values.grad


def send_back(states: Packed, gradient: Tensor | None, *, again: bool = False) -> None:
    """The backward pass of the trunk from a gradient (N, D) at its output; ``again``: another one will follow."""
    if gradient is not None and states.values.requires_grad:
        states.values.backward(gradient, retain_graph=again)


@torch.no_grad()
def losses(passes: Sequence[Pass], tasks: Collection[str], around: Around) -> Losses:
    """The total losses of some tasks with the parameters as they are."""
    out: Losses = {}
    for one in passes:
        batches = [batch for batch in one.batches if batch.task in tasks]
        if batches:
            with around.autocast():
                states = around.states(one.batches)
                for batch in batches:
                    out.setdefault(batch.task, []).append(around.loss(states, batch).total.float())
    return out


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed, on a GPU or in main memory."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)
    )
