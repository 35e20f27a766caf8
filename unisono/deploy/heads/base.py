"""Exported: what a head becomes. The contract of the families in this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from unisono.deploy.encoder import laid_out
from unisono.deploy.graph import Graph
from unisono.heads import Targets
from unisono.packed import Layout, Packed

# What the input ``index`` of a head's graph is: (B,) the first token of each sequence, (B, L) the grid of the encoder,
# (W,) any tokens of the pack, or (B, H, W) those of the patches of each image, N where it has none.
Reads = Literal["first", "grid", "places", "patches"]


Run = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]  # a graph


@dataclass(frozen=True)
class Exported:
    """A head as graphs, and what turns their outputs into predictions.

    Args:
        graph: ``states`` (N, D) and ``index`` -> outputs in float32.
        reads: what ``index`` is.
        decode: plain JSON: all that predictions are made with.
        index: of a pack and its targets, for graphs that read ``places`` or ``patches``.
        expected: the same outputs, by the head itself: what the graph must give.
        steps: further graphs, by what they are.
        files: further files of the folder, name -> text.
        walk: of heads that write: states, what ``graph`` gave of them, and the step -> the logits of its first steps,
            each beside the head's own.
    """

    graph: Graph
    reads: Reads
    decode: Mapping[str, Any]
    expected: Callable[[Packed, Targets], Mapping[str, Tensor]]
    index: Callable[[Layout, Targets], Tensor] | None = None
    steps: Mapping[str, Graph] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    walk: Callable[[Packed, Mapping[str, Tensor], Run], Iterator[tuple[Tensor, Tensor]]] | None = None

    def feed(self, states: Packed, targets: Targets) -> dict[str, Tensor]:
        """The inputs of ``graph``."""
        if self.reads in ("places", "patches"):
            assert self.index is not None
            index = self.index(states.layout, targets)
        elif self.reads == "first":
            index = states.layout.starts(torch.device("cpu"))
        else:
            index = laid_out(states.layout)["grid"]
        return {"states": states.values, "index": index}


def example(width: int, reads: Reads) -> tuple[dict[str, Tensor], dict[str, tuple[str | None, ...]]]:
    """Inputs to trace a head's graph with, and the names of their sizes."""
    layout = Layout([5, 2, 4])
    index = {
        "first": layout.starts(torch.device("cpu")),
        "grid": laid_out(layout)["grid"],
        "places": torch.arange(7),
        "patches": torch.arange(30).view(3, 2, 5) % (layout.total + 1),
    }[reads]
    dims: dict[str, tuple[str | None, ...]] = {
        "first": ("B",),
        "grid": ("B", "L"),
        "places": ("W",),
        "patches": ("B", "H", "W"),
    }
    return {"states": torch.randn(layout.total, width), "index": index}, {"states": ("N", None), "index": dims[reads]}


def difference(found: Tensor, wanted: Tensor) -> float:
    """The greatest difference, over 1 or the greatest value. Infinite where one is no number or the shapes differ."""
    if found.shape != wanted.shape:
        return float("inf")
    if not wanted.numel():
        return 0.0
    apart = (found - wanted).abs().max() / wanted.abs().max().clamp(min=1)
    return float(apart) if bool(apart.isfinite()) else float("inf")
