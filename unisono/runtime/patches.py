"""patches: where in a pack the patches of images lie. An image is a start vector, then its patches row by row."""

from __future__ import annotations

import numpy as np


def every(starts: np.ndarray, grids: np.ndarray) -> np.ndarray:
    """(W,) int64: all patches, image by image.

    Args:
        starts: (B,) the first token of each image. ``grids``: (B, 2 or more) patches down and across.
    """
    counts = grids[:, 0] * grids[:, 1]
    before = np.cumsum(counts) - counts
    return (np.repeat(starts + 1 - before, counts) + np.arange(counts.sum())).astype(np.int64)


def laid_out(starts: np.ndarray, grids: np.ndarray, total: int) -> np.ndarray:
    """(B, H, W) int64: the patch at each place of each image, ``total`` beyond the edges of the smaller ones.

    Args:
        starts, grids: as for ``every``. ``total``: N.
    """
    down, across = (grids[:, side, None, None].astype(np.int64) for side in (0, 1))
    y, x = np.arange(down.max())[:, None], np.arange(across.max())
    return np.where((y < down) & (x < across), starts[:, None, None] + 1 + y * across + x, total)
