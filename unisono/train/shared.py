"""Shared: the parameters that all tasks share, and the sparse gradients of the word tables among them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from unisono.model import MultiTaskModel


def shared_layers(model: MultiTaskModel) -> tuple[dict[str, list[nn.Parameter]], list[nn.Parameter]]:
    """Layer -> its shared parameters that learn, from the input up; and the word tables among them."""
    layers: dict[str, list[nn.Parameter]] = {"embeddings": []}
    layers["embeddings"] += [p for room in (model.stems, model.marks) for p in room.parameters() if p.requires_grad]
    for name, p in model.trunk.named_parameters():
        if p.requires_grad:
            depth = model.trunk.depth(name)
            layers.setdefault(f"layer.{depth - 1}" if depth else "embeddings", []).append(p)
    tables = {id(m.weight) for m in model.stems.modules() if isinstance(m, nn.Embedding)}
    layers = {name: group for name, group in layers.items() if group}
    return layers, [p for group in layers.values() for p in group if id(p) in tables]


def sparse_tables(model: MultiTaskModel) -> None:
    """Lets the stems' word tables have sparse gradients: a pass touches few of their rows."""
    for module in model.stems.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = True


def densify(parameters: Sequence[nn.Parameter]) -> None:
    """Turns sparse gradients into full ones, as the optimizer and several processes want them."""
    for p in parameters:
        if p.grad is not None and p.grad.is_sparse:
            p.grad = p.grad.coalesce().to_dense()
