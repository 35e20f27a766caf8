"""places: where the vectors of an image lie in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from unisono.heads.base import UnfitRow


def grid_of(tokens: Mapping[str, np.ndarray]) -> tuple[int, int, int, int]:
    """Patches down and across, and the height and width of the image as it came.

    Args:
        tokens: what the image stem made of the row.

    Raises:
        UnfitRow: the stem sees only the middle, so that places in the file are not those of the patches.
    """
    if "cut" in tokens:
        raise UnfitRow("only the middle of the image is seen; stems: image: size: [height, width] shows all of it")
    down, across, height, width = (int(n) for n in tokens["grid"])
    return down, across, height, width


def grids(examples: Sequence[Mapping[str, np.ndarray]]) -> Tensor:
    """(B, 4) int64: patches down and across, height and width of each image as it came."""
    return torch.from_numpy(np.stack([e["grid"] for e in examples]).astype(np.int64))
