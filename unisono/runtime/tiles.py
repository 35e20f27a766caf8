"""tiles: a large image as smaller ones that overlap, and what was found on each as one map again.

The overlap-tile strategy of Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597, section 2): at the edge of a
tile little is seen of what surrounds a pixel, so each is taken from the tile that shows most around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

TILE = "tile"  # field of an example that is a tile: (4,) its top and left in the image, the image's height and width
MOST = 1024  # tiles of an image

Places = list[tuple[int, int]]  # begin and end, exclusive


def tiles(height: int, width: int, side: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Top, left, bottom and right of each tile, row by row; one, the whole image, where no side is longer than
    ``side``.
    """
    across = places(width, side, overlap)
    return [(top, left, bottom, right) for top, bottom in places(height, side, overlap) for left, right in across]


def places(length: int, side: int, overlap: int) -> Places:
    """Where tiles lie along an edge: as few as share ``overlap`` pixels or more with the next, evenly spread."""
    count = 1 if length <= side else 1 - (side - length) // (side - overlap)
    begins = np.linspace(0, max(0, length - side), count).round().astype(int).tolist()
    return [(begin, min(length, begin + side)) for begin in begins]


def joined(maps: Sequence[np.ndarray], height: int, width: int, side: int, overlap: int, shrink: float) -> np.ndarray:
    """The maps of an image's tiles, in their order, as one.

    Args:
        maps: of each tile as many rows and columns as ``scaled`` says.
        height, width: of the image. ``shrink``: how much smaller its map is.
    """
    down, across = places(height, side, overlap), places(width, side, overlap)
    rows, columns = _shares(down, shrink), _shares(across, shrink)
    out = np.empty((rows[-1][1], columns[-1][1]), maps[0].dtype)
    for number, found in enumerate(maps):
        (begin, end), (left, right) = rows[number // len(across)], columns[number % len(across)]
        top = scaled(down[number // len(across)][0], shrink)
        first = scaled(across[number % len(across)][0], shrink)
        out[begin:end, left:right] = found[begin - top : end - top, left - first : right - first]
    return out


def scaled(place: int, shrink: float) -> int:
    """Where a pixel's edge lies in a smaller map."""
    return int(place * shrink)


def _shares(along: Places, shrink: float) -> Places:
    """What is taken from each tile along an edge: up to the middle of what it shares with its neighbours."""
    middles = [(before[1] + after[0]) // 2 for before, after in pairwise(along)]
    edges = [scaled(place, shrink) for place in (0, *middles, along[-1][1])]
    return list(pairwise(edges))
