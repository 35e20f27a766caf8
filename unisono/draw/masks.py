"""A mask over an image: each class a translucent colour, its edge a firm line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unisono.draw.palette import Colour
from unisono.pictures import nearest

STRENGTH = 0.5  # of a class's colour over the image


def mask_of(prediction: Mapping[str, Any]) -> np.ndarray:
    """(H, W) int32 class numbers of a ``segment`` prediction."""
    numbers, counts = np.array(prediction["runs"], np.int64).reshape(-1, 2).T
    out: np.ndarray = np.repeat(numbers, counts).reshape(prediction["size"]).astype(np.int32)
    return out


def laid_over(image: np.ndarray, mask: np.ndarray, colours: Mapping[int, Colour]) -> np.ndarray:
    """(H, W, 3) uint8 image, (h, w) class numbers of the same proportions -> (H, W, 3) uint8.

    Args:
        colours: class number -> colour; where a number has none, the image shows as it is.
    """
    mask = nearest(mask, *image.shape[:2])
    edge = np.zeros(mask.shape, bool)
    edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    edge[1:] |= mask[1:] != mask[:-1]
    out = image.astype(np.float32)
    for number, colour in colours.items():
        at = mask == number
        for where, strength in ((at & ~edge, STRENGTH), (at & edge, 1.0)):
            out[where] += strength * (np.array(colour, np.float32) - out[where])
    return np.rint(out).astype(np.uint8)
