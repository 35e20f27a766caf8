"""sequence: the table of symbols."""

from __future__ import annotations

import torch
from torch import Tensor

from unisono.deploy.stems.base import ExportedStem, Marked, as_graph
from unisono.stems import SequenceStem


class _Symbols(Marked):
    """``symbols`` (n,) -> ``values``."""

    def __init__(self, stem: SequenceStem, mark: Tensor | None) -> None:
        super().__init__(mark)
        self.table = stem.embedding

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        found: Tensor = self.table(fields["symbols"])
        return found


def sequence(stem: SequenceStem, mark: Tensor | None, name: str) -> ExportedStem:
    """The rows of the table of symbols; of several spellings the first."""
    inputs = {"symbols": torch.arange(7) % stem.embedding.num_embeddings}
    return ExportedStem(as_graph(name, _Symbols(stem, mark), inputs, {"symbols": ("N",)}), stem.reader)
