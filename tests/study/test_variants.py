"""Variants of a recipe, and the promise that a task alone sees the very rows that it saw among others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.runs import TASKS, small
from unisono.recipe import RecipeError, build
from unisono.study.variants import alone, grouped, with_settings
from unisono.train.sampler import Sampler


def test_settings_are_changed_by_path_and_checked(tmp_path):
    recipe = small(tmp_path)
    changed = with_settings(
        recipe,
        {"tasks.intent.weight": 0.5, "train.trunk_lr": 1e-05, "mix": {"by": "temperature"}, "mix.temperature": 3},
    )
    assert changed.tasks["intent"].weight == 0.5 and changed.train.trunk_lr == 1e-05
    assert (changed.mix.by, changed.mix.temperature) == ("temperature", 3.0)
    assert with_settings(recipe, {}) == recipe
    with pytest.raises(RecipeError, match='x: tasks.intent.wieght: .* did you mean "weight"'):
        with_settings(recipe, {"tasks.intent.wieght": 1}, where="x")


def test_a_task_alone_keeps_trunk_and_rates_and_drops_what_joins_tasks(tmp_path):
    tasks = {**TASKS, "slots": {**TASKS["slots"], "weight": 3.0, "patience": 2}}
    recipe = with_settings(small(tmp_path, tasks), {"mix": "uniform", "balance": "upgrad", "train.minutes": 3})
    own = alone(recipe, "slots", steps=10, rows=25, evaluations=3, run=tmp_path / "own")
    assert list(own.tasks) == ["slots"] and own.tasks["slots"].head == recipe.tasks["slots"].head
    assert own.tasks["slots"].weight == 1.0 and own.tasks["slots"].patience is None
    assert own.trunk == recipe.trunk and own.seed == recipe.seed and own.folder == tmp_path / "own"
    kept = ("trunk_lr", "head_lr", "warmup", "schedule", "weight_decay", "clip", "precision", "layer_decay")
    assert all(getattr(own.train, name) == getattr(recipe.train, name) for name in kept)
    assert (own.train.steps, own.train.rows_per_step, own.train.evaluate_every) == (10, 2.5, 4)
    assert own.train.minutes is None and own.train.tokens_per_step is None
    assert own.mix.by == "proportional" and own.balance.method == "sum"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), steps=st.integers(1, 40), budget=st.integers(20, 400), share=st.floats(0.02, 0.98))
def test_alone_a_task_draws_the_very_rows_that_it_drew_among_others(seed, steps, budget, share):
    """Whatever the mix did: the same row numbers in the same order, over the steps that had any."""
    generator = np.random.default_rng(seed)
    costs = {"a": generator.integers(1, 40, size=17), "b": generator.integers(1, 90, size=29)}
    together = Sampler(costs, budget=budget, seed=seed)
    drawn = [together.draw({"a": share, "b": 1 - share}).get("a", []) for _ in range(steps)]
    wanted, taken = [row for rows in drawn for row in rows], sum(bool(rows) for rows in drawn)
    if not taken:
        return
    own = Sampler({"a": np.ones(17, np.int32)}, budget=len(wanted) / taken, seed=seed)
    found = [row for _ in range(taken) for row in own.draw({"a": 1.0}).get("a", [])]
    assert found == wanted


def test_paths_of_runs_are_taken_as_they_are(tmp_path):
    odd = tmp_path / "it's: a #folder"
    assert with_settings(small(tmp_path), {"run": str(odd)}).folder == Path(odd)


def test_fewer_tasks_keep_the_stems_that_they_read_through(tmp_path):
    look = {"kind": "classify", "data": "x", "columns": {"image": "image"}}
    hear = {"kind": "speaker", "data": "x"}
    raw = small(tmp_path, {**TASKS, "look": look, "hear": hear}).model_dump(mode="json")
    recipe = build({**raw, "stems": {"image": {"patch": 8}, "audio": {"rate": 8000}}})
    how = {"steps": 2, "evaluations": 1, "run": tmp_path}
    assert alone(recipe, "intent", rows=4, **how).stems == {}
    assert alone(recipe, "look", rows=4, **how).stems == {"image": {"patch": 8}}
    rows = dict.fromkeys(recipe.tasks, 4)
    assert set(grouped(recipe, ["look", "hear"], rows=rows, shared={}, **how).stems) == {"image", "audio"}
