"""dense: a number for each pixel of an image, at the resolution of the head's map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..questions import Prediction
from .base import Arrays, Example, Run
from .maps import OfMaps


class Dense(OfMaps):
    """``maps`` (B, 1, h, w) in deviations from the mean -> ``{"size", "values", "void"}``, row by row from the top."""

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        self.scale = self.doubled()
        self.mean, self.spread, self.void = said.number("mean"), said.number("spread"), said.numbers("void")

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        return [
            {
                "size": list(own.shape[1:]),
                "values": (own[0] * self.spread + self.mean).reshape(-1).tolist(),
                "void": list(self.void),
            }
            for own, _ in self.maps(outputs, examples, 1)
        ]
