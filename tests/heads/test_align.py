"""align: the search finds the best of all alignments."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unisono.heads.align import durations


def best_of_all(scores: np.ndarray) -> tuple[float, set[tuple[int, ...]]]:
    """(L, T) -> the largest sum over all ways to cut T frames into L runs, and which ways have it."""
    pieces, frames = scores.shape
    found: dict[tuple[int, ...], float] = {}
    for cuts in combinations(range(1, frames), pieces - 1):
        edges = (0, *cuts, frames)
        runs = tuple(b - a for a, b in pairwise(edges))
        found[runs] = sum(scores[i, edges[i] : edges[i + 1]].sum() for i in range(pieces))
    best = max(found.values())
    return best, {runs for runs, total in found.items() if np.isclose(total, best, atol=1e-9)}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_the_search_finds_the_best_of_all_alignments(sizes: list[tuple[int, int]], seed: int) -> None:
    draw = np.random.default_rng(seed)
    pieces = np.array([p for p, _ in sizes])
    frames = np.array([p + more for p, more in sizes])
    scores = draw.normal(size=(len(sizes), pieces.max() + 1, frames.max() + 2)).astype(np.float32)
    scores[0] = scores[0].round()  # equal sums
    found = durations(scores, pieces, frames)
    for b, (p, t) in enumerate(zip(pieces, frames, strict=True)):
        assert found[b].sum() == t
        assert not found[b, p:].any()
        assert tuple(found[b, :p]) in best_of_all(scores[b, :p, :t])[1]


def test_what_lies_beyond_a_row_does_not_matter() -> None:
    draw = np.random.default_rng(0)
    scores = draw.normal(size=(2, 4, 9))
    pieces, frames = np.array([3, 4]), np.array([7, 9])
    wild = scores.copy()
    wild[0, 3:], wild[0, :, 7:] = 1e9, -np.inf
    assert (durations(wild, pieces, frames) == durations(scores, pieces, frames)).all()


def test_a_piece_without_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="one each at least"):
        durations(np.zeros((1, 3, 2)), np.array([3]), np.array([2]))
