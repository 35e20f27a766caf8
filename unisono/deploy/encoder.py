"""Encoder: from the text of a pack to the trunk's states, as a graph; and what a batch is to its inputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unisono.deploy.attention import Grid, on_a_grid
from unisono.deploy.graph import Graph
from unisono.inputs import Inputs
from unisono.model import MultiTaskModel
from unisono.packed import Layout
from unisono.trunk import Trunk

STATES = "states"


class Encoder(nn.Module):
    """``ids``, ``positions``, ``types``, ``grid`` and ``place`` of N tokens -> ``states`` (N, D)."""

    def __init__(self, words: nn.Embedding, trunk: Trunk) -> None:
        super().__init__()
        self.words, self.trunk = words, trunk

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        asked = self.trunk.arguments(self.words(fields["ids"]), fields["positions"], fields.get("types"))
        with on_a_grid(self.trunk):
            found = self.trunk.encoder(**asked, grid=Grid.of(fields["grid"], fields["place"]))
        return {STATES: found.last_hidden_state[0]}


def encoder_graph(model: MultiTaskModel) -> Graph:
    """The graph of a model's text stem and trunk."""
    layout = Layout([5, 2, 4])
    ids = torch.arange(layout.total) % model.text.embedding.num_embeddings
    fields = {"ids": ids, "types": torch.zeros_like(ids), **laid_out(layout)}
    inputs = {name: fields[name] for name in _read_by(model.trunk)}
    dims = {name: ("B", "L") if name == "grid" else ("N",) for name in inputs}
    return Graph("encoder", Encoder(model.text.embedding, model.trunk), inputs, dims, {STATES: ("N", None)})


def encoder_feed(model: MultiTaskModel, inputs: Inputs) -> dict[str, Tensor]:
    """A batch of texts as the graph takes it."""
    ids = inputs.parts["text"].fields["ids"]
    types = inputs.types if inputs.types is not None else torch.zeros_like(ids)
    fields = {"ids": ids, "types": types, **laid_out(inputs.layout)}
    return {name: fields[name] for name in _read_by(model.trunk)}


def laid_out(layout: Layout) -> Mapping[str, Tensor]:
    """Where tokens lie, all int64: ``positions`` (N,) in their sequences; ``grid`` (B, L) the token at each place of
    each sequence, N where there is none; ``place`` (N,) b * L + l of each token.
    """
    cpu = torch.device("cpu")
    segments, positions = layout.segments(cpu), layout.positions(cpu)
    grid = torch.full((layout.count, layout.longest), layout.total)
    grid[segments, positions] = torch.arange(layout.total)
    return {"positions": positions, "grid": grid, "place": segments * layout.longest + positions}


def _read_by(trunk: Trunk) -> list[str]:
    """The inputs of the graph, in their order."""
    known = {"types": trunk.takes_types, "positions": trunk.takes_positions}
    return [name for name in ("ids", "types", "positions", "grid", "place") if known.get(name, True)]
