"""match: vectors of two inputs in one space, and how alike they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..inputs import Inputs
from ..questions import Prediction, Row
from .base import Arrays, Example, Head, Run


class Match(Head):
    """Vectors (B, E) of length 1 -> ``{"similarity", "vectors"}``: the cosine of the row's inputs, None where one is
    missing, and role -> its vector. Each input is an example of its own.
    """

    roles = ("text", "other")

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode.within("sides")
        self.sides = {role: said.text(role) for role in said.values}
        if len(self.sides) != 2 or not set(self.sides) <= set(self.roles):
            raise self.task.decode.wrong("sides", "two of its roles, each with an output")
        self.vectors = list(self.sides.values())

    def examples(self, inputs: Inputs, rows: Sequence[Row]) -> Sequence[list[Example] | str]:
        return inputs.apart(self.task, rows, tuple(self.sides))

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        """Of each input its ``vector``, an array (E,)."""
        found = [self.output(outputs, name, len(examples), None) for name in self.vectors]
        return [{"vector": found[int(example["side"][0])][at]} for at, example in enumerate(examples)]

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        vectors = [part["vector"] for part in parts]
        there = [role for role in self.sides if row.get(role) is not None]
        similarity = float(np.dot(*vectors)) if len(vectors) == len(self.sides) else None
        return {"similarity": similarity, "vectors": {r: v.tolist() for r, v in zip(there, vectors, strict=True)}}
