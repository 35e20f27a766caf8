"""Mix: shares are what their papers say, and pure functions of their arguments."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unisono.mix import ADAPTIVE, MIXES, STATIC, History, lessened, one_task, shares

SIZES = {"a": 900.0, "b": 90.0, "c": 10.0}
BY_SIZE = [m for m in STATIC if m != "weights"]

steps_seen = st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(0, 100)), max_size=40)


def after(losses, norms=()) -> History:
    history = History()
    for step in losses:
        history.take(step)
    for step in norms:
        history.take({}, step)
    return history


@given(
    st.sampled_from(BY_SIZE),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(1, 1e9), min_size=1),
    st.floats(0, 1),
)
def test_shares_keep_the_order_of_sizes(by, sizes, progress):
    found = shares(by, sizes, progress=progress)
    assert sum(found.values()) == pytest.approx(1)
    ordered = sorted(sizes, key=lambda n: sizes[n])
    assert all(found[x] <= found[y] + 1e-12 for x, y in pairwise(ordered))


@example("uncertainty", {"a", "b"}, [{"a": 0.0, "b": 1.4e-193}, {"a": 0.0, "b": 1.0}], [], 0, 0.0)
@given(
    st.sampled_from(MIXES),
    st.sets(st.sampled_from("abcd"), min_size=1),
    steps_seen,
    steps_seen,
    st.integers(0, 999),
    st.floats(0, 1),
)
def test_every_mix_sums_to_one_whatever_was_seen_and_after_a_restart(by, tasks, losses, norms, step, floor):
    sizes = {task: 10.0 + ord(task) for task in sorted(tasks)}
    history = after(losses, norms)
    restarted = History()
    restarted.load_state_dict(json.loads(json.dumps(history.state_dict())))
    found = [
        shares(by, sizes, weights=dict.fromkeys("abcd", 1.0), step=step, history=h, floor=floor)
        for h in (history, history, restarted)
    ]
    assert found[0] == found[1] == found[2]
    assert list(found[0]) == list(sizes)
    assert sum(found[0].values()) == pytest.approx(1)
    assert all(0 <= share <= 1 + 1e-12 for share in found[0].values())


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


def test_round_robin_gives_each_task_its_turn():
    turns = [max(share, key=share.__getitem__) for share in (shares("round-robin", SIZES, step=s) for s in range(7))]
    assert turns == list("abcabca")


@pytest.mark.parametrize("by", ADAPTIVE)
def test_adaptive_mixes_begin_even_and_keep_the_floor(by):
    assert shares(by, SIZES) == pytest.approx(dict.fromkeys("abc", 1 / 3))
    history = after(
        [{"a": 1.0, "b": 1.0 + t % 2, "c": float(t < 12)} for t in range(99)], [{"a": 0.0, "b": 5.0, "c": 1.0}]
    )
    assert min(shares(by, SIZES, history=history).values()) < 0.02
    found = shares(by, SIZES, history=history, floor=0.3)
    assert all(share >= 0.3 / 3 for share in found.values())
    assert shares(by, SIZES, history=history, floor=1.0) == pytest.approx(dict.fromkeys("abc", 1 / 3))


def test_loss_driven_gives_more_to_the_task_that_lags():
    losses = [{"a": 5.0 * 0.9**t, "b": 0.1 * 0.99**t, "c": 1.0} for t in range(60)]
    found = shares("loss-driven", SIZES, history=after(losses))
    assert found["a"] < found["b"] < found["c"]


def test_loss_driven_is_the_rule_of_loss_balanced_task_weighting():
    """Against the formula, where the recent loss is known: a loss that has stood still for long."""
    history = after([{"a": 4.0, "b": 2.0}] * 10 + [{"a": 1.0, "b": 2.0}] * 400)
    raw = {"a": (1 / 4) ** 0.5, "b": 1.0}
    found = shares("loss-driven", {"a": 1, "b": 1}, history=history, temperature=2)
    assert found == pytest.approx({n: r / sum(raw.values()) for n, r in raw.items()})
    steep = shares("loss-driven", {"a": 1, "b": 1}, history=history, temperature=1)
    assert steep == pytest.approx({"a": 0.2, "b": 0.8})


@given(st.lists(st.floats(0.1, 50), min_size=2, max_size=60))
def test_uncertainty_is_the_coefficient_of_variation_of_loss_ratios(losses):
    """Against all losses kept in a list, as the paper writes it."""
    ratios = [1.0] + [losses[t] / np.mean(losses[:t]) for t in range(1, len(losses))]
    found = after([{"a": loss} for loss in losses]).variation("a")
    assert found == pytest.approx(np.std(ratios) / np.mean(ratios), rel=1e-9, abs=1e-7)


def test_uncertainty_does_not_depend_on_the_scale_of_a_loss():
    draws = np.random.default_rng(0).uniform(0.5, 1.5, 50)
    found = shares("uncertainty", {"a": 1, "b": 1}, history=after([{"a": d, "b": 1000 * d} for d in draws]))
    assert found == pytest.approx({"a": 0.5, "b": 0.5})


def test_gradient_norm_shares_are_proportional_to_recent_norms():
    found = shares("gradient-norm", SIZES, history=after([], [{"a": 1.0, "b": 3.0}] * 5 + [{"c": 4.0}]))
    assert found == pytest.approx({"a": 1 / 8, "b": 3 / 8, "c": 4 / 8})


@pytest.mark.parametrize("by", ["uncertainty", "gradient-norm"])
def test_a_task_not_seen_yet_is_an_average_one(by):
    draws = np.random.default_rng(0).uniform(0.5, 1.5, (50, 2))
    history = after([{"a": a, "b": b} for a, b in draws], [{"a": 1.0, "b": 3.0}])
    assert shares(by, SIZES, history=history)["c"] == pytest.approx(1 / 3)


def test_what_is_not_finite_is_not_remembered():
    history = after([{"a": 1.0}], [{"a": 2.0}])
    before = history.state_dict()
    history.take({"a": math.nan}, {"a": math.inf})
    assert history.state_dict() == before


def test_lessened_shares_keep_the_others_in_proportion():
    assert lessened({"a": 0.5, "b": 0.25, "c": 0.25}, ["c"], 0.25) == pytest.approx(
        {"a": 0.5 / 0.8125, "b": 0.25 / 0.8125, "c": 0.0625 / 0.8125}
    )
    assert lessened({"a": 1.0}, ["a"], 0.25) == {"a": 1.0}
