"""ExportedStem: what a stem becomes. The contract of the files in this folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from unisono.deploy.graph import Dims, Graph
from unisono.runtime.stems import Stem

VALUES = "values"


@dataclass(frozen=True)
class ExportedStem:
    """A stem as a graph.

    Args:
        graph: what ``reader`` makes of rows -> ``values`` (n, D_in), the vectors of the trunk's input, with the mark of
            their kind.
        reader: reads rows without PyTorch, as the stem does.
    """

    graph: Graph
    reader: Stem


class Marked(nn.Module):
    """A stem's vectors with the mark of its kind; text has none."""

    def __init__(self, mark: Tensor | None) -> None:
        super().__init__()
        self.mark = mark

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        values = self.vectors(fields)
        return {VALUES: values if self.mark is None else values + self.mark}

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        """(n, D_in) without it."""
        raise NotImplementedError


def as_graph(name: str, module: Marked, inputs: Mapping[str, Tensor], dims: Mapping[str, Dims]) -> Graph:
    """A stem's graph.

    Args:
        inputs, dims: as ``Graph`` takes them.
    """
    return Graph(name, module, inputs, dims, {VALUES: ("N", None)})
