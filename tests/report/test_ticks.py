"""Ticks: round, even, around the data, neither few nor many; labels that say them back."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unisono.report import ticks
from unisono.report.formats import any_value, duration, number, percent, shorten, signed, text_width, tick_labels

NUMBERS = st.floats(-1e9, 1e9).map(lambda x: 0.0 if abs(x) < 1e-9 else x)
MOST = st.integers(3, 12)


def back(label: str) -> float:
    """The number that a label says."""
    words = label.replace("−", "-").replace(",", "")
    for unit, size in ((" G", 1e9), (" M", 1e6)):
        if words.endswith(unit):
            return float(words.removesuffix(unit)) * size
    return float(words)


@given(NUMBERS, NUMBERS, MOST, st.booleans())
def test_linear_ticks_are_round_even_and_around_the_data(one, other, most, whole):
    low, high = sorted((one, other))
    assume(high == low or high - low > 1e-6 * max(abs(low), abs(high)))
    found = ticks.linear(low, high, most, whole=whole)
    step = found[1] - found[0]
    slack = 1e-6 * step
    assert found[0] <= low + slack and found[-1] >= high - slack
    assert 2 <= len(found) <= most + 1
    assert all(math.isclose(b - a, step, rel_tol=1e-6) for a, b in pairwise(found))
    power = math.floor(math.log10(step) + 1e-5)
    factor = round(step / 10.0**power)
    exact = float(f"{factor}e{power}")
    assert factor in (1, 2, 5) and math.isclose(step, exact, rel_tol=1e-4)
    assert all(abs(t / exact - round(t / exact)) < 1e-4 for t in found)
    if whole:
        assert all(t == int(t) for t in found)
    if high > low and not whole:
        assert found[1] > low - slack and found[-2] < high + slack, "no tick is further out than needed"


@given(st.floats(1e-9, 1e9), st.floats(1, 1e9), MOST)
def test_logarithmic_ticks_are_round_and_around_the_data(low, ratio, most):
    high = low * ratio
    found = ticks.logarithmic(low, high, most)
    assert len(found) >= 2 and found == sorted(set(found))
    assert found[0] <= low * (1 + 1e-6) and found[-1] >= high * (1 - 1e-6)
    assert len(found) <= max(most + 2, 7)
    for tick in found:
        lead = tick / 10 ** math.floor(math.log10(tick) + 1e-9)
        assert min(abs(lead - f) for f in (1, 2, 5)) < 1e-6


def test_a_logarithmic_axis_begins_above_zero():
    with pytest.raises(ValueError, match="begins above 0"):
        ticks.logarithmic(0.0, 1.0)


@given(NUMBERS, NUMBERS, MOST)
def test_labels_say_their_ticks(one, other, most):
    low, high = sorted((one, other))
    assume(high == low or high - low > 1e-4 * max(abs(low), abs(high)))
    found = ticks.linear(low, high, most)
    labels = tick_labels(found)
    step = found[1] - found[0]
    assert len(set(labels)) == len(labels)
    assert all(abs(back(label) - tick) < 0.01 * step for label, tick in zip(labels, found, strict=True))


@given(st.floats(1e-9, 1e9), st.floats(1, 1e9))
def test_logarithmic_labels_say_their_ticks(low, ratio):
    found = ticks.logarithmic(low, low * ratio)
    assert all(math.isclose(back(w), t, rel_tol=1e-6) for w, t in zip(tick_labels(found, log=True), found, strict=True))


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        ([0.0, 0.5, 1.0], ["0", "0.5", "1.0"]),
        ([0.0, 1000.0, 2000.0], ["0", "1,000", "2,000"]),
        ([-1.0, 0.0, 1.0], ["−1", "0", "1"]),
        ([0.0, 5e-5, 1e-4], ["0", "5e−5", "1e−4"]),
        ([0.0, 5e6, 1e7], ["0", "5 M", "10 M"]),
    ],
)
def test_labels(found, labels):
    assert tick_labels(found) == labels


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.9084813945692256, "0.9085"), (35.703797, "35.70"), (200.0, "200"), (1.0, "1.0"), (3, "3"), (0.0, "0.0"),
        (-0.25, "−0.2500"), (0.0002, "2e−4"), (12345678.5, "1.23e7"), (None, "–"), (math.nan, "–"),
        (1234.5, "1,234.50"),
    ],
)  # fmt: skip
def test_numbers(value, words):
    assert number(value) == words


def test_differences_shares_and_durations():
    assert [signed(v) for v in (1.234, -0.5, 0.0, -0.001, None)] == ["+1.23", "−0.50", "0.00", "0.00", "–"]
    assert [any_value(v) for v in (0.5, 1.0, 2e-5, 8000, True, None, "upgrad", [1, 0.25], {"trunk": 0.1})] == [
        "0.5", "1", "2e−5", "8000", "yes", "–", "upgrad", "1, 0.25", "trunk 0.1",
    ]  # fmt: skip
    assert percent(0.1234) == "12.3 %"
    assert [duration(s) for s in (12, 3700, 4465.99, 36_000)] == ["12 s", "62 min", "74 min", "10.0 h"]


def test_long_names_are_cut_to_their_room():
    assert shorten("short", 200) == "short"
    cut = shorten("a name that is far too long for the room", 80)
    assert cut.endswith("…") and text_width(cut) <= 80
    assert text_width("名前") > text_width("ab")
