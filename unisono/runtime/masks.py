"""masks: a class for each pixel of an image, from logits at a lower resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .tiles import joined, scaled

_MOST = 1 << 22  # pixels of a mask; a larger image gets one of a smaller size
_BAND = 1 << 18  # numbers that are looked at together: they stay in the processor's cache


def masked(
    logits: np.ndarray, place: Sequence[int], numbers: np.ndarray, names: Mapping[int, str], void: Sequence[int]
) -> dict[str, Any]:
    """What ``told`` gives of an image, or of a tile of one, at its own size.

    Args:
        logits: (V, h, w).
        place: where it lies in its image: top, left, bottom and right; then the height and width of the image.
        numbers: (V,) that stand for the classes in masks.
    """
    top, left, bottom, right = (scaled(at, shrink(*place[4:])) for at in place[:4])
    return told(numbers[likeliest(logits, (max(1, bottom - top), max(1, right - left)))], names, void)


def told(mask: np.ndarray, names: Mapping[int, str], void: Sequence[int]) -> dict[str, Any]:
    """``{"size": [h, w], "runs": [[number, pixels], ...], "shares": {name: share}, "names", "void"}``: a mask, as
    runs of equal numbers, row by row from the top.

    Args:
        mask: (h, w) of the numbers in ``names``. ``void``: numbers for no label.
    """
    numbers = np.array(sorted(names))
    shares = np.bincount(np.searchsorted(numbers, mask.reshape(-1)), minlength=len(numbers)) / mask.size
    return {
        "size": list(mask.shape),
        "runs": runs(mask),
        "shares": {names[n]: share for n, share in zip(numbers.tolist(), shares.tolist(), strict=True)},
        "names": {str(n): names[n] for n in numbers.tolist()},
        "void": list(void),
    }


def of_tiles(
    parts: Sequence[Mapping[str, Any]], whole: tuple[int, int], tile: tuple[int, int], names: Mapping[int, str]
) -> dict[str, Any]:
    """What ``told`` gives of an image, from what it gave of its tiles.

    Args:
        parts: those of the tiles, in their order. ``whole``: height and width of the image.
        tile: the side of a tile, and how many pixels neighbours share.
    """
    masks = [drawn(part["runs"]).reshape(part["size"]) for part in parts]
    return told(joined(masks, *whole, *tile, shrink(*whole)), names, parts[0]["void"])


def shrink(height: int, width: int) -> float:
    """How much smaller than an image its mask is."""
    return float(min(1.0, (_MOST / (height * width)) ** 0.5))


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
    out: list[list[int]] = np.stack([flat[starts[:-1]], np.diff(starts)], 1).tolist()
    return out


def drawn(runs: Sequence[Sequence[int]]) -> np.ndarray:
    """What ``runs`` was made of, flat."""
    values, counts = np.array(runs, np.int32).reshape(-1, 2).T
    return np.repeat(values, counts)


def _between(few: int, many: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each of ``many`` places along a side the two of ``few`` that it lies between, and the share of the second."""
    at = ((np.arange(many) + 0.5) * (few / many) - 0.5).clip(0, few - 1)
    first = at.astype(np.int64)
    return first, np.minimum(first + 1, few - 1), (at - first).astype(np.float32)
