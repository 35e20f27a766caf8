"""ctc: against every path there is."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unisono.runtime.ctc import best_path, prefix_search, read_path, steps_needed


def plainly(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(s for s, _ in groupby(path) if s)


def probabilities(steps: int, symbols: int, seed: int, sharp: float = 1.0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(steps, symbols)) * sharp
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def every(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """Sequence -> log probability, over all paths."""
    out: dict[tuple[int, ...], float] = defaultdict(lambda: -np.inf)
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        out[plainly(path)] = np.logaddexp(
            out[plainly(path)], sum(row[s] for row, s in zip(log_probs, path, strict=True))
        )
    return out


SIZES = st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 4.0]))


@settings(max_examples=60)
@given(SIZES)
def test_prefix_search_finds_the_likeliest_of_all_sequences(size: Any) -> None:
    log_probs = probabilities(*size)
    found = every(log_probs)
    best = tuple(prefix_search(log_probs, 10_000))
    assert found[best] == pytest.approx(max(found.values()), abs=1e-9)


@settings(max_examples=30)
@given(SIZES)
def test_the_best_path_is_the_best_of_all_paths(size: Any) -> None:
    log_probs = probabilities(*size)
    paths = product(range(log_probs.shape[1]), repeat=len(log_probs))
    best = max(paths, key=lambda p: sum(row[s] for row, s in zip(log_probs, p, strict=True)))
    assert tuple(best_path(log_probs)) == plainly(best)


def test_prefix_search_beats_the_best_path_where_paths_add_up() -> None:
    log_probs = np.log([[0.6, 0.4], [0.6, 0.4]])  # blank, blank is the best path; "a" has 0.64
    assert best_path(log_probs) == []
    assert prefix_search(log_probs, 4) == [1]


@settings(max_examples=30)
@given(SIZES, st.integers(1, 6))
def test_narrow_beams_find_sequences_no_better_than_the_best(size: Any, beams: int) -> None:
    log_probs = probabilities(*size)
    found = every(log_probs)
    assert found[tuple(prefix_search(log_probs, beams))] <= max(found.values()) + 1e-9


def test_impossible_symbols_are_never_written() -> None:
    log_probs = np.full((4, 3), -np.inf)
    log_probs[[0, 1, 2, 3], [1, 0, 1, 2]] = 0
    assert prefix_search(log_probs, 8) == best_path(log_probs) == [1, 1, 2]
    log_probs = np.full((3, 2), -np.inf)
    log_probs[:, 0] = 0
    assert prefix_search(log_probs, 8) == []
    log_probs[:] = np.nan
    with np.errstate(invalid="ignore"):
        assert prefix_search(log_probs, 8) == []


@given(st.lists(st.integers(0, 3), max_size=12))
def test_paths_read_plainly(path: list[int]) -> None:
    assert tuple(read_path(np.array(path, np.int64))) == plainly(tuple(path))


@given(st.lists(st.integers(1, 3), max_size=4))
def test_steps_needed_is_the_shortest_path(symbols: list[int]) -> None:
    shortest = next(
        n for n in range(9) if any(plainly(p) == tuple(symbols) for p in product(range(4), repeat=n))
    ) if len(symbols) < 4 else steps_needed(np.array(symbols))  # fmt: skip
    assert steps_needed(np.array(symbols, np.int64)) == shortest
