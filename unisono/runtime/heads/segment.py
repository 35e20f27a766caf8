"""segment: a class for each pixel of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..masks import masked
from ..questions import Prediction
from .base import Arrays, Example, Run
from .maps import OfMaps


class Segment(OfMaps):
    """``maps`` (B, V, h, w) of logits -> ``{"size", "runs", "shares", "names", "void"}``, see ``masks.masked``."""

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        self.scale = self.doubled()
        self.numbers = np.array(said.wholes("numbers", None, 0, 1 << 30), np.int64)
        if not len(self.numbers):
            raise said.wrong("numbers", "at least one number")
        self.names = {number: said.within("names").text(str(number)) for number in self.numbers.tolist()}
        self.void = said.wholes("void", None, -(1 << 31), 1 << 31)

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        maps = self.maps(outputs, examples, len(self.numbers))
        return [masked(own, size, self.numbers, self.names, self.void) for own, size in maps]
