"""The search of balance: auto: λ that are worth trying, and rounds that keep to their cost."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest

from unisono.balance.search import FEWEST, Candidate, best, candidates, rungs, spent

OWN = {"a": 1.0, "b": 2.0, "c": 0.5}


def tried(weights: dict[str, float] = OWN, *, trials: int = 8, span: float = 10.0, rates: int = 1, seed: int = 1):
    return candidates(weights, trials=trials, span=span, rates=rates, seed=seed)


@pytest.mark.parametrize("tasks", [2, 3, 7])
@pytest.mark.parametrize("trials", range(2, 10))
def test_the_recipe_s_own_weights_come_first_and_no_two_are_alike(tasks, trials):
    own = {f"t{i}": 1.0 + i for i in range(tasks)}
    found = tried(own, trials=trials)
    assert found[0] == Candidate(own) and len(found) == trials
    ratios = [[math.log(c.weights[t] / own[t] / c.weights["t0"]) for t in own] for c in found]
    assert all(max(abs(x - y) for x, y in zip(a, b, strict=True)) > 0.1 for a, b in combinations(ratios, 2))


@pytest.mark.parametrize("span", [2.0, 10.0, 1000.0])
def test_ratios_stay_within_the_span_and_use_it(span):
    ratios = [
        math.log((c.weights["a"] / c.weights["b"]) / (OWN["a"] / OWN["b"]), span) for c in tried(trials=32, span=span)
    ]
    assert all(abs(r) <= 1.01 for r in ratios)  # λ are rounded to three digits
    assert max(ratios) > 0.5 and min(ratios) < -0.5


def test_the_sum_stays_that_of_the_recipe():
    assert all(sum(c.weights.values()) == pytest.approx(3.5, rel=0.01) for c in tried())


def test_a_weight_of_zero_stays_zero():
    assert all(c.weights["b"] == 0.0 and c.weights["a"] > 0 for c in tried({"a": 1.0, "b": 0.0, "c": 1.0}))


def test_two_tasks_are_covered_evenly():
    ratios = sorted(math.log10(c.weights["a"] / c.weights["b"]) for c in tried({"a": 1.0, "b": 1.0}))
    gaps = [high - low for low, high in pairwise(ratios)]
    assert max(gaps) < 0.75 and ratios[0] < -0.4 and ratios[-1] > 0.4


def test_it_is_the_same_for_a_seed_and_another_for_another():
    assert tried(seed=3) == tried(seed=3) != tried(seed=4)


def test_learning_rates_are_tried_with_the_recipe_s_weights_first():
    found = tried(rates=3)
    assert [c.rate for c in found[:3]] == [1.0, pytest.approx(1 / 3), 3.0]
    assert all(c.weights == OWN for c in found[:3])
    assert {round(c.rate, 2) for c in found[3:]} == {1.0, 0.33, 3.0}


def test_of_one_task_only_rates_can_be_searched():
    assert tried({"a": 1.0}) == [Candidate({"a": 1.0})]
    assert [c.rate for c in tried({"a": 1.0}, rates=2)] == [1.0, pytest.approx(1 / 3)]
    assert rungs(1000, 1, 0.25) == [] and spent([]) == 0


@pytest.mark.parametrize("steps", [60, 77, 200, 1000, 12345])
@pytest.mark.parametrize("trials", [2, 3, 5, 8, 16])
@pytest.mark.parametrize("cost", [0.1, 0.25, 0.5])
def test_rounds_halve_the_trials_and_keep_to_the_cost(steps, trials, cost):
    plan = rungs(steps, trials, cost)
    counts, ends = zip(*plan, strict=True)
    assert counts[0] <= trials and counts[-1] == 2
    assert all(after == math.ceil(before / 2) for before, after in pairwise(counts))
    assert all(after == 2 * before for before, after in pairwise(ends)) and ends[0] >= FEWEST
    assert spent(plan) <= cost * steps or counts[0] == 2
    if steps > 10_000:
        assert counts[0] == trials and spent(plan) > 0.7 * cost * steps


def test_what_is_spent_counts_each_step_once():
    assert spent([(8, 15), (4, 30), (2, 60)]) == 8 * 15 + 4 * 15 + 2 * 30


def test_the_best_have_least_left_and_of_equals_the_earlier():
    assert best({3: 0.5, 1: 0.5, 2: 0.4, 0: math.inf}, 3) == [2, 1, 3]
