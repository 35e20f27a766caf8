"""Thin: a long line keeps its extremes, its ends and its mean; nothing is drawn that was not measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.report.thin import Line, Shares

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400)


def line(values, most: int = 8) -> Line:
    made = Line(most)
    for step, value in enumerate(values, 1):
        made.add(step, value)
    return made


@given(VALUES)
def test_extremes_ends_and_mean_are_kept(values):
    made = line(values)
    points = made.points()
    measured = list(enumerate(values, 1))
    assert set(points) <= set(measured)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[0] == measured[0] and points[-1] == measured[-1] and made.last == values[-1]
    assert min(y for _, y in points) == min(values) == made.low
    assert max(y for _, y in points) == max(values) == made.high
    assert len(points) <= 2 * 8 + 2 and len(made) == len(values)
    mean = sum(b.total for b in made.buckets) / len(values)
    assert mean == pytest.approx(np.mean(values), rel=1e-6, abs=1e-3)


@given(VALUES)
def test_each_stretch_keeps_its_own_extremes(values):
    """The obvious reference: cut the steps where the buckets end, and look."""
    for bucket in line(values).buckets:
        part = [(x, y) for x, y in enumerate(values, 1) if bucket.first <= x <= bucket.last]
        assert bucket.count == len(part)
        assert bucket.low[1] == min(y for _, y in part) and bucket.high[1] == max(y for _, y in part)


def test_a_single_spike_in_a_long_run_is_drawn():
    values = np.sin(np.arange(50_000) / 500)
    values[31_415] = 99.0
    points = line(values, most=256).points()
    assert (31_416, 99.0) in points and len(points) <= 514


def test_a_short_line_is_every_point():
    assert line([3.0, 1.0, 2.0]).points() == [(1, 3.0), (2, 1.0), (3, 2.0)]


def test_what_is_not_finite_is_left_out():
    made = line([1.0, math.nan, None, math.inf, 2.0])
    assert made.points() == [(1, 1.0), (5, 2.0)] and len(made) == 2


def test_smoothing_is_a_line_through_what_is_near():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    made = line(values, most=256)
    reach = round(200 * 0.1 / 2)
    slow = []
    for i in range(200):
        start = max(0, min(i - reach, 200 - 2 * reach - 1))  # at the ends, as many on the one side
        x = np.arange(start, start + 2 * reach + 1)
        far = np.abs(x - i) / (1.001 * np.abs(x - i).max())
        fitted = np.polyval(np.polyfit(x, values[x], 1, w=np.sqrt((1 - far**3) ** 3)), i)
        slow.append(np.clip(fitted, values[x].min(), values[x].max()))
    assert np.allclose([y for _, y in made.smooth(0.1)], slow)
    assert [x for x, _ in made.smooth(0.1)] == list(range(1, 201))


def test_smoothing_a_long_line_weighs_each_step_alike():
    made = line([5.0] * 1003, most=16)
    assert {round(y, 9) for _, y in made.smooth()} == {5.0}
    climb = line(np.arange(1003.0), 16).smooth()
    assert np.allclose([y for _, y in climb], [x - 1 for x, _ in climb]), "a slope is followed to both ends"


@given(VALUES)
def test_smoothing_goes_no_further_than_what_was_measured(values):
    made = line(values, most=16)
    slack = 1e-9 * max(map(abs, values))
    assert all(made.low - slack <= y <= made.high + slack for _, y in made.smooth())


def test_constant():
    assert line([2.0] * 50).constant and not line([2.0] * 50 + [2.1]).constant and Line().constant


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=100))
def test_shares_lose_no_row(steps):
    shares = Shares(most=8)
    for x, parts in enumerate(steps, 1):
        shares.add(x, parts)
    assert len(shares.stretches) <= 8
    for task in "abc":
        assert shares.totals().get(task, 0) == sum(parts.get(task, 0) for parts in steps)
    for stretch in shares.stretches:
        inside = steps[int(stretch.first) - 1 : int(stretch.last)]
        assert stretch.count == len(inside)
        assert sum(stretch.parts.values()) == sum(sum(parts.values()) for parts in inside)
