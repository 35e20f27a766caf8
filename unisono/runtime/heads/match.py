"""match: vectors of two texts in one space, and how alike they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..questions import Prediction, Row
from ..text import Reader
from .base import Arrays, Example, Head, Run


class Match(Head):
    """Vectors (B, E) of length 1 -> ``{"similarity", "vectors"}``: the cosine of the row's inputs, None where one is
    missing, and role -> its vector. Each input is an example of its own.
    """

    roles = ("text", "other")

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode.within("sides")
        self.sides = {role: said.text(role) for role in said.values}
        if tuple(self.sides) != self.roles or len(set(self.sides.values())) != 1:
            raise self.task.decode.wrong("sides", "text and other, of one output")
        self.vectors = self.sides["text"]

    def examples(self, reader: Reader, rows: Sequence[Row]) -> Sequence[list[Example] | str]:
        there = [(at, row[role]) for at, row in enumerate(rows) for role in self.sides if row.get(role) is not None]
        made = reader.tokens([{"text": text} for _, text in there], words=False, most=self.task.max_length)
        out: list[list[Example]] = [[] for _ in rows]
        for (at, _), example in zip(there, made, strict=True):
            out[at].append(example)
        return out

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        """Of each input its ``vector``, an array (E,)."""
        return [{"vector": vector} for vector in self.output(outputs, self.vectors, len(examples), None)]

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        vectors = [part["vector"] for part in parts]
        there = [role for role in self.sides if row.get(role) is not None]
        similarity = float(np.dot(*vectors)) if len(vectors) == len(self.sides) else None
        return {"similarity": similarity, "vectors": {r: v.tolist() for r, v in zip(there, vectors, strict=True)}}
