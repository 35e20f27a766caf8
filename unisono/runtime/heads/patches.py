"""patches: what heads that read the patches of images share."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

import numpy as np

from ..errors import Damaged
from ..pack import Pack
from ..patches import every, laid_out
from .base import Example, Head


class OfPatches(Head, ABC):
    """A head of images, whose graph reads patches as they lie (``patches``), or one by one (``places``)."""

    roles = ("image",)

    def index(self, pack: Pack, numbers: Sequence[int], examples: Sequence[Example]) -> np.ndarray:
        starts, grids = pack.starts[np.asarray(numbers)], self.grids(examples)
        if self.task.reads == "patches":
            return laid_out(starts, grids, int(pack.lengths.sum()))
        return every(starts, grids)

    def grids(self, examples: Sequence[Example]) -> np.ndarray:
        """(B, 4) int32: patches down and across, height and width of each image as it came.

        Raises:
            Damaged: what reads the inputs says no such thing.
        """
        if not all("grid" in example for example in examples):
            raise Damaged(f'task "{self.task.name}": it reads images, and the export has no stem for them')
        return np.stack([example["grid"] for example in examples])
