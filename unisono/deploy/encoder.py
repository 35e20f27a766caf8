"""Encoder: from the tokens of a pack, or from the vectors that stems gave, to the trunk's states, as a graph."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unisono.deploy.attention import Grid, on_a_grid
from unisono.deploy.graph import Dims, Graph
from unisono.deploy.stems import VALUES
from unisono.model import MultiTaskModel
from unisono.packed import Layout
from unisono.trunk import Trunk, layers_of

STATES, BELOW = "states", "below"  # the second: the states of the floor below


class Encoder(nn.Module):
    """``ids``, or without ``words`` ``values``, ``positions``, ``types``, ``grid`` and ``place`` of N tokens ->
    ``states`` (N, D).
    """

    def __init__(self, words: nn.Embedding | None, trunk: Trunk) -> None:
        super().__init__()
        self.words, self.trunk = words, trunk

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        values = fields[VALUES] if self.words is None else self.words(fields["ids"])
        asked = self.trunk.arguments(values, fields["positions"], fields.get("types"))
        with on_a_grid(self.trunk):
            found = self.trunk.encoder(**asked, grid=Grid.of(fields["grid"], fields["place"]))
        return {STATES: found.last_hidden_state[0]}


class Floor(nn.Module):
    """Layers ``begin`` to ``end`` of a trunk of BERT's family: what ``Encoder`` takes, or from the second floor on
    ``below`` (N, D), ``grid`` and ``place`` -> ``states``.
    """

    def __init__(self, words: nn.Embedding | None, trunk: Trunk, begin: int, end: int) -> None:
        super().__init__()
        self.words, self.trunk, self.begin, self.end = words, trunk, begin, end

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.begin:
            states = fields[BELOW]
        else:
            values = fields[VALUES] if self.words is None else self.words(fields["ids"])
            states = self.trunk.embedded(values, fields["positions"], fields.get("types"))
        grid = Grid.of(fields["grid"], fields["place"])
        with on_a_grid(self.trunk):
            for layer in layers_of(self.trunk.encoder)[self.begin : self.end]:
                states = layer(states[None], None, grid=grid)[0]
        return {STATES: states}


def encoder_graph(model: MultiTaskModel, *, texts: bool, end: int | None = None) -> Graph:
    """The graph of a model's trunk.

    Args:
        texts: with the word table, as texts are all that is read.
        end: the number of its layers, where others are graphs of their own (``floor_graph``); None: all.
    """
    layout, trunk = Layout([5, 2, 4]), model.trunk
    types = torch.zeros(layout.total, dtype=torch.int64)
    if texts:
        words = model.text.embedding
        first, given = "ids", torch.arange(layout.total) % words.num_embeddings
    else:
        words, first, given = None, VALUES, torch.randn(layout.total, trunk.input_width)
    fields = {first: given, "types": types, **laid_out(layout)}
    known = {"types": trunk.takes_types, "positions": trunk.takes_positions}
    inputs = {name: field for name, field in fields.items() if known.get(name, True)}
    sizes: dict[str, Dims] = {"grid": ("B", "L"), VALUES: ("N", None)}
    dims = {name: sizes.get(name, ("N",)) for name in inputs}
    module = Encoder(words, trunk) if end is None else Floor(words, trunk, 0, end)
    return Graph("encoder", module, inputs, dims, {STATES: ("N", None)})


def floor_graph(model: MultiTaskModel, begin: int, end: int) -> Graph:
    """The graph of some layers of a model's trunk, above others."""
    layout = Layout([5, 2, 4])
    laid = laid_out(layout)
    inputs = {BELOW: torch.randn(layout.total, model.trunk.width), "grid": laid["grid"], "place": laid["place"]}
    dims: dict[str, Dims] = {BELOW: ("N", None), "grid": ("B", "L"), "place": ("N",)}
    return Graph(f"encoder.{begin}", Floor(None, model.trunk, begin, end), inputs, dims, {STATES: ("N", None)})


def laid_out(layout: Layout) -> Mapping[str, Tensor]:
    """Where tokens lie, all int64: ``positions`` (N,) in their sequences; ``grid`` (B, L) the token at each place of
    each sequence, N where there is none; ``place`` (N,) b * L + l of each token.
    """
    cpu = torch.device("cpu")
    segments, positions = layout.segments(cpu), layout.positions(cpu)
    grid = torch.full((layout.count, layout.longest), layout.total)
    grid[segments, positions] = torch.arange(layout.total)
    return {"positions": positions, "grid": grid, "place": segments * layout.longest + positions}
