"""masks: a class for each pixel of an image, from logits at a lower resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

_MOST = 1 << 22  # pixels of a mask; a larger image gets one of a smaller size
_BAND = 1 << 18  # numbers that are looked at together: they stay in the processor's cache


def masked(
    logits: np.ndarray, size: tuple[int, int], numbers: np.ndarray, names: Mapping[int, str], void: Sequence[int]
) -> dict[str, Any]:
    """``{"size": [h, w], "runs": [[number, pixels], ...], "shares": {name: share}, "names", "void"}``: the mask in runs
    of equal numbers, row by row from the top, at the image's own size.

    Args:
        logits: (V, h, w). ``size``: height and width of the image.
        numbers: (V,) that stand for the classes in masks. ``names``: of the numbers; ``void``: numbers for no label.
    """
    height, width = size
    shrink = min(1.0, (_MOST / (height * width)) ** 0.5)
    size = (max(1, int(height * shrink)), max(1, int(width * shrink)))
    at = likeliest(logits, size)
    shares = np.bincount(at.reshape(-1), minlength=len(numbers)) / at.size
    return {
        "size": list(size),
        "runs": runs(numbers[at]),
        "shares": {names[n]: share for n, share in zip(numbers.tolist(), shares.tolist(), strict=True)},
        "names": {str(n): names[n] for n in numbers.tolist()},
        "void": list(void),
    }


def likeliest(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(V, h, w) -> (H, W) int64: where each is the greatest, once they are enlarged to that size bilinearly, pixels
    being areas.
    """
    count, height, width = logits.shape
    (up, down, below), (left, right, beyond) = _between(height, size[0]), _between(width, size[1])
    wide = logits[:, :, left] * (1 - beyond) + logits[:, :, right] * beyond  # (V, h, W)
    out = np.empty(size, np.int64)
    rows = max(1, _BAND // (count * size[1]))
    for start in range(0, size[0], rows):
        band = slice(start, start + rows)
        share = below[band, None]
        out[band] = (wide[:, up[band]] * (1 - share) + wide[:, down[band]] * share).argmax(0)
    return out


def runs(mask: np.ndarray) -> list[list[int]]:
    """(H, W) -> [number, how many pixels] of each run of equal numbers, row by row."""
    flat = mask.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [len(flat)]])
    return [[int(flat[a]), int(b - a)] for a, b in pairwise(starts)]


def _between(few: int, many: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each of ``many`` places along a side the two of ``few`` that it lies between, and the share of the second."""
    at = ((np.arange(many) + 0.5) * (few / many) - 0.5).clip(0, few - 1)
    first = at.astype(np.int64)
    return first, np.minimum(first + 1, few - 1), (at - first).astype(np.float32)
