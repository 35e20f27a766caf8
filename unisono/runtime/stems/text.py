"""text: texts and pairs of texts, beside inputs of other kinds in one pack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..fields import Fields
from ..text import Reader
from .base import Arrays, Stem, Tokens


@dataclass(frozen=True)
class Text(Stem):
    """Token numbers, whose vectors are rows of the word table.

    Args:
        reader: by the tokenizer of the export. ``most``: tokens of a text.
    """

    reader: Reader
    most: int
    kind: ClassVar[str] = "text"
    reads: ClassVar[tuple[str, ...]] = ("ids", "types")

    def told(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, said: Fields, most: int) -> Stem:
        raise NotImplementedError("it is made with the tokenizer of the export")

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> list[Tokens]:
        return self.reader.tokens(rows, words=False, most=most or self.most)

    def length(self, tokens: Arrays) -> int:
        return len(tokens["ids"])

    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        yield list(range(len(examples))), {"ids": np.concatenate([e["ids"] for e in examples]).astype(np.int64)}
