"""Mix: shares are what their papers say, and pure functions of their arguments."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.mix import MIXES, one_task, shares

SIZES = {"a": 900.0, "b": 90.0, "c": 10.0}


@given(
    st.sampled_from([m for m in MIXES if m != "weights"]),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(1, 1e9), min_size=1),
    st.floats(0, 1),
)
def test_shares_sum_to_one_and_keep_the_order_of_sizes(by, sizes, progress):
    found = shares(by, sizes, progress=progress)
    assert sum(found.values()) == pytest.approx(1)
    ordered = sorted(sizes, key=lambda n: sizes[n])
    assert all(found[x] <= found[y] + 1e-12 for x, y in pairwise(ordered))


def test_known_values():
    assert shares("proportional", SIZES) == pytest.approx({"a": 0.9, "b": 0.09, "c": 0.01})
    assert shares("uniform", SIZES) == pytest.approx(dict.fromkeys("abc", 1 / 3))
    roots = {n: s**0.5 for n, s in SIZES.items()}
    assert shares("temperature", SIZES) == pytest.approx({n: r / sum(roots.values()) for n, r in roots.items()})
    assert shares("annealed", SIZES, progress=0) == pytest.approx(shares("proportional", SIZES))
    assert shares("annealed", SIZES, progress=1) == pytest.approx(shares("temperature", SIZES, temperature=5))
    assert shares("weights", SIZES, weights={"a": 1, "b": 3, "c": 0}) == {"a": 0.25, "b": 0.75, "c": 0.0}


def test_no_share_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one task"):
        shares("weights", {"a": 1}, weights={"a": 0})


def test_one_task_a_step_follows_the_shares_and_the_seed():
    share = shares("proportional", SIZES)
    drawn = Counter(
        max(one_task(share, seed=3, step=s), key=one_task(share, seed=3, step=s).__getitem__) for s in range(2000)
    )
    assert drawn["a"] / 2000 == pytest.approx(0.9, abs=0.03)
    assert one_task(share, seed=3, step=17) == one_task(share, seed=3, step=17)
    assert sum(one_task(share, seed=3, step=17).values()) == 1
