"""tiles: every pixel of an image is in one, they overlap as asked, and what is cut is joined again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unisono.runtime.tiles import joined, places, scaled, tiles

SIDES = st.integers(1, 90)
TILES = st.integers(4, 40).flatmap(lambda side: st.tuples(st.just(side), st.integers(0, side // 2)))


@given(SIDES, TILES)
def test_tiles_cover_an_edge_and_share_what_is_asked(length, tile):
    side, overlap = tile
    found = places(length, side, overlap)
    assert found[0][0] == 0 and found[-1][1] == length
    assert all(end - begin == min(side, length) for begin, end in found)
    assert all(before[1] - after[0] >= overlap for before, after in pairwise(found))
    needed = 1 if length <= side else 1 + -(-(length - side) // (side - overlap))
    assert len(found) == needed


@given(SIDES, SIDES, TILES, st.sampled_from([1.0, 0.7, 0.31]))
def test_what_is_cut_is_joined_again(height, width, tile, shrink):
    tall, wide = scaled(height, shrink), scaled(width, shrink)
    if not tall or not wide:
        return
    whole = np.arange(tall * wide).reshape(tall, wide)
    parts = [
        whole[scaled(top, shrink) : scaled(bottom, shrink), scaled(left, shrink) : scaled(right, shrink)]
        for top, left, bottom, right in tiles(height, width, *tile)
    ]
    np.testing.assert_array_equal(joined(parts, height, width, *tile, shrink), whole)


def test_a_pixel_is_taken_from_the_tile_that_shows_most_around_it():
    maps = [np.full((8, 8), number) for number in range(2)]  # columns 0 to 7 and 4 to 11 of 12
    assert joined(maps, 8, 12, 8, 4, 1.0)[0].tolist() == [0] * 6 + [1] * 6
