"""Δm: the published formula by hand, and a bootstrap interval that holds what it should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unisono.study.difference import Pairs, Sample, delta_m, differences, relative


def fixed(value: float, key: str = "rows") -> Sample:
    """Rows that all have the same score."""
    return Sample(lambda places: value, 10, key)


def rows(right: np.ndarray, key: str = "rows") -> Sample:
    """Rows of which some are right; the score is accuracy."""
    return Sample(lambda places: float(right[places].mean()), len(right), key)


def test_delta_m_by_hand():
    assert relative(0.91, 0.88) == pytest.approx(100 * 0.03 / 0.88)
    assert relative(1.1, 1.0, higher=False) == pytest.approx(-10.0)
    assert relative(-0.1, -0.2) == pytest.approx(50.0)  # a correlation that rose
    assert delta_m([3.0, -1.0, 4.0]) == pytest.approx(2.0)
    pairs = {
        "ner": Pairs([fixed(0.90), fixed(0.92)], [fixed(0.87), fixed(0.89)]),
        "sts": Pairs([fixed(1.2), fixed(1.0)], [fixed(1.0), fixed(1.0)], higher=False),
    }
    each, mean = differences(pairs)
    assert each["ner"].mean == pytest.approx(100 * 0.03 / 0.88)
    assert each["sts"].mean == pytest.approx(-10.0)
    assert mean.mean == pytest.approx((100 * 0.03 / 0.88 - 10.0) / 2)


def test_a_task_that_scores_nothing_alone_is_left_out():
    pairs = {"mt": Pairs([fixed(3.0)], [fixed(0.0)]), "ner": Pairs([fixed(0.6)], [fixed(0.5)])}
    each, mean = differences(pairs)
    assert math.isnan(each["mt"].mean) and math.isnan(each["mt"].low)
    assert mean.mean == pytest.approx(20.0) == mean.low
    assert math.isnan(delta_m([math.nan]))


def test_without_chance_there_is_no_width():
    each, mean = differences({"t": Pairs([fixed(0.6)] * 3, [fixed(0.5)] * 3)})
    for found in (each["t"], mean):
        assert found.low == found.high == pytest.approx(20.0)


def test_seeds_are_drawn_in_pairs():
    """Where every seed gains the same, however much seeds differ, the interval is a point."""
    alone = [0.2, 0.5, 0.9]
    each, _ = differences({"t": Pairs([fixed(1.1 * a) for a in alone], [fixed(a) for a in alone])})
    assert each["t"].low == pytest.approx(10.0) and each["t"].high == pytest.approx(10.0)
    # And where seeds disagree, it reaches beyond the one and the other, as three of them say little about a fourth.
    each, _ = differences({"t": Pairs([fixed(0.4), fixed(0.6), fixed(0.5)], [fixed(0.5)] * 3)}, resamples=2000)
    assert each["t"].low == pytest.approx(-each["t"].high, rel=0.4) and each["t"].low < -40.0


@pytest.mark.parametrize("count", [3, 5])
def test_few_seeds_give_intervals_that_hold_what_they_should(count):
    """Seeds that differ by chance alone: the interval should hold 0 in 95 of 100 comparisons."""
    held = 0
    for experiment in range(150):
        alone, together = np.random.default_rng(experiment).normal(0.8, 0.02, size=(2, count))
        pairs = {"t": Pairs([fixed(v) for v in together], [fixed(v) for v in alone])}
        each, _ = differences(pairs, seed=experiment)
        held += each["t"].low <= 0 <= each["t"].high
    assert held >= 135, held


def test_runs_over_the_same_rows_are_drawn_alike():
    right = np.random.default_rng(0).random(500) < 0.7
    same = {"a": Pairs([rows(right)], [rows(right)]), "b": Pairs([rows(right)], [rows(~right)])}
    each, _ = differences(same)
    assert each["a"].low == each["a"].high == 0.0  # the very rows: nothing can differ
    other = {"a": Pairs([rows(right, "here")], [rows(right, "there")])}
    each, _ = differences(other)
    assert each["a"].low < 0 < each["a"].high


def test_the_interval_holds_a_known_effect():
    """Accuracy 0.92 alone and 0.949 together: about 95 of 100 intervals should hold the difference."""
    held, widths = 0, []
    for experiment in range(60):
        generator = np.random.default_rng(experiment)
        hard = generator.random(1500)  # the same rows are hard for every run
        together = [rows(hard + generator.random(1500) < 1.68) for _ in range(3)]
        alone = [rows(hard + generator.random(1500) < 1.6) for _ in range(3)]
        # The sum of two uniform numbers is below s, 1 <= s <= 2, with the probability 1 - (2 - s)² / 2.
        truth = relative(1 - (2 - 1.68) ** 2 / 2, 1 - (2 - 1.6) ** 2 / 2)
        each, mean = differences({"t": Pairs(together, alone)}, seed=experiment)
        held += each["t"].low <= truth <= each["t"].high
        widths.append(mean.high - mean.low)
    assert held >= 52, held
    assert 0 < np.mean(widths) < 6


def test_the_same_seed_gives_the_same_interval():
    right = np.random.default_rng(0).random(300) < 0.7
    better = right | (np.random.default_rng(1).random(300) < 0.1)
    pairs = {"t": Pairs([rows(better)] * 2, [rows(right)] * 2)}
    assert differences(pairs, seed=5) == differences(pairs, seed=5)
    assert differences(pairs, seed=5) != differences(pairs, seed=6)
