"""text: the word table."""

from __future__ import annotations

import torch
from torch import Tensor

from unisono.deploy.stems.base import ExportedStem, Marked, as_graph
from unisono.runtime.stems import Text
from unisono.runtime.text import Reader
from unisono.stems import TextStem


class _Words(Marked):
    """``ids`` (n,) -> ``values``."""

    def __init__(self, stem: TextStem, mark: Tensor | None) -> None:
        super().__init__(mark)
        self.words = stem.embedding

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        found: Tensor = self.words(fields["ids"])
        return found


def text(stem: TextStem, mark: Tensor | None, name: str) -> ExportedStem:
    """The rows of the word table."""
    graph = as_graph(name, _Words(stem, mark), {"ids": torch.arange(7)}, {"ids": ("N",)})
    return ExportedStem(graph, Text(Reader(stem.tokenizer.backend_tokenizer.to_str()), stem.max_length))
