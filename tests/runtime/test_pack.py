"""Packs: where tokens lie, told in arrays, against the obvious way to say it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.runtime.errors import Damaged
from unisono.runtime.pack import SEGMENTS, Pack, Part, passes

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=7)


@given(LENGTHS)
def test_every_token_is_in_its_place(lengths):
    sequences = [{"ids": np.arange(n, dtype=np.int32) + 100 * b} for b, n in enumerate(lengths)]
    sequences[0]["types"] = np.ones(lengths[0], np.int32)
    pack = Pack(sequences)
    ids, types, positions, place = (pack.fields[n].tolist() for n in ("ids", "types", "positions", "place"))
    token = 0
    for b, n in enumerate(lengths):
        assert pack.starts[b] == token and pack.lengths[b] == n
        for at in range(max(lengths)):
            if at < n:
                assert (ids[token], positions[token], types[token]) == (100 * b + at, at, int(b == 0))
                assert pack.grid[b, at] == token and place[token] == b * max(lengths) + at
                token += 1
            else:
                assert pack.grid[b, at] == sum(lengths)
    assert all(array.dtype == np.int64 for array in pack.fields.values())


@given(LENGTHS, st.data())
def test_the_grid_of_some(lengths, data):
    pack = Pack([{"ids": np.zeros(n, np.int32)} for n in lengths])
    some = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1))
    assert pack.gridded(some).tolist() == [
        [int(pack.grid[b, at]) for at in range(max(lengths[b] for b in some))] for b in some
    ]


@given(st.lists(st.integers(1, 40)), st.integers(1, 120))
def test_passes_keep_to_the_places_of_their_grid(lengths, most):
    found = list(passes(lengths, most))
    assert sorted(n for some in found for n in some) == list(range(len(lengths)))
    for some in found:
        assert len(some) == 1 or len(some) * max(lengths[n] for n in some) <= most


def test_vectors_of_stems_go_to_their_places_and_none_is_missing():
    fields = {"x": np.zeros(1)}
    parts = [Part("one", fields, np.array([0, 3])), Part("other", fields, np.array([2, 1]))]
    pack = Pack([{SEGMENTS: np.array([2, 0])}, {SEGMENTS: np.array([1, 1])}], parts)
    given = {"one": np.array([[1.0], [2.0]]), "other": np.array([[3.0], [4.0]])}
    found = pack.inputs(lambda graph, _: {"values": given[graph]})
    assert found["values"].tolist() == [[1], [4], [3], [2]] and "ids" not in found
    for wrong in (np.zeros((3, 1)), np.zeros((2, 2)), np.zeros(2), None):
        with pytest.raises(Damaged, match='^graph "other": it gives no "values" of 2 vectors$'):
            pack.inputs(lambda graph, _, wrong=wrong: {"values": given["one"] if graph == "one" else wrong})
