"""table: a vector a cell, of its column and of what it says, behind the start vector."""

from __future__ import annotations

import torch
from torch import Tensor

from unisono.deploy.stems.base import ExportedStem, Marked, as_graph
from unisono.stems import TableStem


class _Cells(Marked):
    """``columns``, ``numbers`` and ``categories`` (M,), ``order`` (n,) -> ``values``."""

    def __init__(self, stem: TableStem, mark: Tensor | None) -> None:
        super().__init__(mark)
        self.stem = stem

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        cells = self.stem.cells(fields["columns"], fields["numbers"], fields["categories"])
        return torch.cat([self.stem.start[None], cells]).index_select(0, fields["order"])


def table(stem: TableStem, mark: Tensor | None, name: str) -> ExportedStem:
    """The graph of rows of any tables."""
    columns = torch.zeros(3, dtype=torch.int64)
    inputs = {
        "columns": columns,
        "numbers": torch.tensor([0.5, torch.nan, torch.nan]),
        "categories": torch.tensor([-1, 0, -1]),
        "order": torch.tensor([0, 1, 0, 2, 3]),
    }
    dims = {name: ("N",) if name == "order" else ("M",) for name in inputs}
    return ExportedStem(as_graph(name, _Cells(stem, mark), inputs, dims), stem.reader)
