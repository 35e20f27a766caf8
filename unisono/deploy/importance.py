"""importance: how much each attention head and each feed-forward unit matters to the losses of a model's tasks.

Michel et al. 2019 (https://arxiv.org/abs/1905.10650, section 4.1): a head's output is multiplied by a mask ξ = 1, and
of a task t its importance is

    I_h = E_x |∂L_t(x) / ∂ξ_h|  =  E_x |Σ_n A_h(n)ᵀ ∂L_t(x) / ∂A_h(n)|,

A_h(n) being what head h gives for token n of row x, and L_t(x) the sum of the losses of the row's units. As there, the
importances of a layer's heads are divided by their ℓ2 norm. Of feed-forward units the same, A being the activation.
Tasks count alike: the mean over them is taken after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unisono.model import MultiTaskModel
from unisono.packed import Layout, passes
from unisono.trunk import layers_of, sizes

Scores = tuple[list[Tensor], list[Tensor]]  # of each layer (H,) of its heads, and (F,) of its units


def importance(
    model: MultiTaskModel,
    examples: Mapping[str, Sequence[Mapping[str, np.ndarray]]],
    *,
    tokens_per_batch: int = 2048,
    on_pass: Callable[[str, int], Any] = lambda task, rows: None,
) -> Scores:
    """Of each layer the importance of its heads and of its units. Without dropout; no parameter changes.

    Args:
        examples: task -> encoded rows, held out from training.
        on_pass: called with (task, rows done) after each pack.

    Raises:
        ValueError: the trunk is not of BERT's family.
    """
    training = model.training
    model.eval()
    found: list[Scores] = []
    try:
        for task, rows in examples.items():
            heads, units = (
                [torch.zeros(n) for n in counts] for counts in zip(*sizes(model.trunk.encoder), strict=True)
            )
            for places in passes([model.length(task, e) for e in rows], tokens_per_batch):
                batch = model.collate(task, [rows[i] for i in places]).to(model.device)
                with _felt(model, batch.inputs.layout, heads, units):
                    loss = model.loss_of(model.states(batch.inputs), batch)
                    torch.autograd.grad(loss.total, [_first(model)])
                on_pass(task, len(places))
            found.append(([_normed(x) for x in heads], [_normed(x) for x in units]))
    finally:
        model.train(training)
    return tuple([torch.stack(of).mean(0) for of in zip(*part, strict=True)] for part in zip(*found, strict=True))  # type: ignore[return-value]


def _first(model: MultiTaskModel) -> Tensor:
    """A parameter below all layers, so that the backward pass goes through all of them."""
    return next(p for n, p in model.trunk.named_parameters() if model.trunk.depth(n) == 0)


@contextmanager
def _felt(model: MultiTaskModel, layout: Layout, heads: list[Tensor], units: list[Tensor]) -> Iterator[None]:
    """Adds to ``heads`` and ``units`` what a backward pass says of them, row by row."""
    rows = layout.segments(model.device)
    handles = []

    def listen(module: nn.Module, into: Tensor) -> None:
        def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            given = inputs[0]

            def after(gradient: Tensor) -> None:
                each = (given.detach() * gradient)[0].unflatten(-1, (len(into), -1)).sum(-1)  # (1, N, H K) -> (N, H)
                into.add_(each.new_zeros(layout.count, len(into)).index_add(0, rows, each).abs().sum(0).cpu())

            given.register_hook(after)

        handles.append(module.register_forward_pre_hook(before))

    for layer, of_heads, of_units in zip(layers_of(model.trunk.encoder), heads, units, strict=True):
        listen(layer.attention.output.dense, of_heads)
        listen(layer.output.dense, of_units)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _normed(scores: Tensor) -> Tensor:
    return scores / scores.norm().clamp(min=1e-12)
