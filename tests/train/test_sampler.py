"""Sampler: every row once an epoch, shares held, a saved state goes on, nothing is lost between processes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.train.sampler import Sampler, cut, deal

COSTS = {"a": np.arange(1, 41), "b": np.full(10, 7)}


def sampler(seed: int = 5, budget: float = 60) -> Sampler:
    return Sampler(COSTS, budget=budget, seed=seed)


def test_every_row_comes_once_an_epoch():
    drawing, seen = sampler(), Counter()
    while drawing.epoch["a"] == 0:
        seen.update(drawing.draw({"a": 1.0}).get("a", []))
    assert {seen[row] for row in range(40)} <= {1, 2}
    assert sum(1 for row in range(40) if seen[row] >= 1) == 40


def test_shares_hold_in_the_long_run():
    drawing, spent = sampler(), Counter()
    for _ in range(200):
        for task, rows in drawing.draw({"a": 0.75, "b": 0.25}).items():
            spent[task] += int(COSTS[task][rows].sum())
    assert spent["a"] == pytest.approx(200 * 45, abs=40)
    assert spent["b"] == pytest.approx(200 * 15, abs=7)


def test_a_small_share_waits_until_it_is_worth_a_row():
    drawing = sampler(budget=10)
    counts = [len(drawing.draw({"a": 0.9, "b": 0.1}).get("b", [])) for _ in range(70)]
    assert sum(counts) == 10 and max(counts) == 1


def test_orders_differ_by_epoch_and_seed_and_repeat_with_the_seed():
    def first(seed: int) -> list[list[int]]:
        drawing = sampler(seed)
        return [drawing.draw({"a": 1.0})["a"] for _ in range(30)]

    assert first(5) == first(5)
    assert first(5) != first(6)
    drawing = sampler()
    assert not np.array_equal(drawing._order("a"), (drawing.epoch.update(a=1), drawing._order("a"))[1])


def test_only_the_given_rows_are_drawn():
    drawing = Sampler(COSTS, budget=60, seed=5, rows={"a": np.array([3, 8]), "b": np.arange(10)})
    seen = {row for _ in range(9) for row in drawing.draw({"a": 1.0})["a"]}
    assert seen == {3, 8}


@given(st.integers(0, 50))
def test_a_saved_state_goes_on_with_the_same_rows(steps):
    share = {"a": 0.6, "b": 0.4}
    one = sampler()
    for _ in range(steps):
        one.draw(share)
    two = sampler()
    two.load_state_dict(one.state_dict())
    assert [one.draw(share) for _ in range(9)] == [two.draw(share) for _ in range(9)]


@given(st.lists(st.integers(0, 39), unique=True), st.integers(1, 5))
def test_dealing_gives_every_row_to_one_process_and_like_amounts(rows, world):
    hands = [deal(rows, COSTS["a"], rank=r, world=world) for r in range(world)]
    assert sorted(sum(hands, [])) == sorted(rows)
    totals = [int(COSTS["a"][h].sum()) for h in hands]
    assert max(totals) - min(totals) <= 40


@given(st.lists(st.integers(0, 39), unique=True), st.integers(1, 100))
def test_cutting_loses_nothing_and_stays_within_the_limit(rows, most):
    parts = cut(rows, COSTS["a"], most=most)
    assert sorted(sum(parts, [])) == sorted(rows)
    assert all(len(p) == 1 or COSTS["a"][p].sum() <= most for p in parts)
