"""segment: a class for each pixel of an image, which may be looked at in tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..inputs import Inputs
from ..masks import masked, of_tiles
from ..questions import Prediction, Row
from ..tiles import TILE
from .base import Arrays, Example, Run
from .maps import OfMaps


class Segment(OfMaps):
    """``maps`` (B, V, h, w) of logits -> ``{"size", "runs", "shares", "names", "void"}``, see ``masks.told``."""

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        self.scale = self.doubled()
        self.numbers = np.array(said.wholes("numbers", None, 0, 1 << 30), np.int64)
        if not len(self.numbers):
            raise said.wrong("numbers", "at least one number")
        self.names = {number: said.within("names").text(str(number)) for number in self.numbers.tolist()}
        self.void = said.wholes("void", None, -(1 << 31), 1 << 31)
        self.tile: tuple[int, int] | None = None
        if said.has("tile"):
            side, overlap = said.wholes("tile", 2, 0, 1 << 30)
            if overlap >= side:
                raise said.wrong("tile", "the side of a tile, and what neighbours share, which is less")
            self.tile = side, overlap

    def examples(self, inputs: Inputs, rows: Sequence[Row]) -> Sequence[list[Example] | str]:
        return inputs.tiles(self.task, rows, *self.tile) if self.tile else super().examples(inputs, rows)

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        out: list[Prediction] = []
        for example, (own, (height, width)) in zip(
            examples, self.maps(outputs, examples, len(self.numbers)), strict=True
        ):
            top, left, *whole = example[TILE].tolist() if TILE in example else (0, 0, height, width)
            place = (top, left, top + height, left + width, *whole)
            out.append(masked(own, place, self.numbers, self.names, self.void))
            if self.tile:
                out[-1]["whole"] = whole
        return out

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """The mask of an image from those of its tiles."""
        if len(parts) > 1:
            assert self.tile
            return of_tiles(parts, parts[0]["whole"], self.tile, self.names)
        return {name: value for name, value in parts[0].items() if name != "whole"}
