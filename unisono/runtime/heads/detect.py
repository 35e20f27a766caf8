"""detect: boxes of objects in an image, by guesses at its patches or by queries over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..boxes import Boxes, of_patches, of_queries
from ..questions import Prediction
from .base import Arrays, Example, Run
from .patches import OfPatches


class Detect(OfPatches):
    """Dense: ``logits`` (W, V), ``sides`` (W, 4) and ``centred`` (W,) of all patches; set: ``logits`` (B, Q, V + 1) and
    ``boxes`` (B, Q, 4) -> ``{"boxes": [{"label", "score", "box": [left, top, right, bottom]}, ...]}``, best first.
    """

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        self.dense = said.text("decoder", ("dense", "set")) == "dense"
        self.labels, self.threshold = said.texts("labels", least=1), said.number("threshold")
        self.most = said.whole("most", 1, 1 << 30)
        self.overlap = said.number("overlap") if self.dense else 1.0

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        found = (self._of_patches if self.dense else self._of_queries)(outputs, self.grids(examples))
        return [{"boxes": boxes.listed(self.labels)} for boxes in found]

    def _of_patches(self, outputs: Arrays, grids: np.ndarray) -> Iterator[Boxes]:
        counts = grids[:, 0] * grids[:, 1]
        total, ends = int(counts.sum()), np.cumsum(counts)[:-1]
        logits, sides, centred = (
            np.split(self.output(outputs, name, total, *shape), ends)
            for name, shape in (("logits", (len(self.labels),)), ("sides", (4,)), ("centred", ()))
        )
        for what, where, middle, (down, across, height, width) in zip(
            logits, sides, centred, grids.tolist(), strict=True
        ):
            grid = (down, across, height, width)
            yield of_patches(what, where, middle, grid, threshold=self.threshold, overlap=self.overlap, most=self.most)

    def _of_queries(self, outputs: Arrays, grids: np.ndarray) -> Iterator[Boxes]:
        logits = self.output(outputs, "logits", len(grids), None, len(self.labels) + 1)
        boxes = self.output(outputs, "boxes", len(grids), logits.shape[1], 4)
        for what, where, (_, _, height, width) in zip(logits, boxes, grids.tolist(), strict=True):
            yield of_queries(what, where, (height, width), threshold=self.threshold, most=self.most)
