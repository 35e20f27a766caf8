"""maps: what heads that say something of each pixel share: their map of each image, cut out of that of the largest."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Sequence

import numpy as np

from .base import Arrays, Example
from .patches import OfPatches

_FINEST = 6  # doublings of the sides of the map of patches at most


class OfMaps(OfPatches, ABC):
    """``maps`` (B, V, h, w), whose sides are those of the map of patches times ``scale``."""

    scale: int

    def doubled(self) -> int:
        """``scale``, as the task has it."""
        return int(2 ** self.task.decode.whole("doublings", 0, _FINEST))

    def maps(
        self, outputs: Arrays, examples: Sequence[Example], channels: int
    ) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
        """Of each image its map (V, h, w), and its height and width as it came."""
        grids = self.grids(examples)
        height, width = (int(n) * self.scale for n in grids[:, :2].max(0))
        found = self.output(outputs, "maps", len(examples), channels, height, width)
        for own, (down, across, *size) in zip(found, grids.tolist(), strict=True):
            yield own[:, : down * self.scale, : across * self.scale], (size[0], size[1])
