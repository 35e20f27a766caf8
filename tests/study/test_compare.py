"""Compare: joint and single runs at one budget, resumed by the same call, and a result that follows from the runs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.train.runs import TASKS, small
from unisono.recipe import Recipe, RecipeError
from unisono.study import comparison, held_out, standstill
from unisono.study.affinity import affinity
from unisono.study.compare import compare
from unisono.study.difference import relative
from unisono.study.errors import StudyError
from unisono.train import journal
from unisono.train.loop import Loop

TWO = {name: TASKS[name] for name in ("intent", "slots")}


def recipe(folder: Path) -> Recipe:
    return small(folder, TWO, steps=4, evaluate_every=2, tokens_per_step=150)


def stepped(run: Path) -> list[dict]:
    return [event for event in journal.read(run / "events.jsonl") if event["event"] == "stepped"]


def test_one_task_or_no_seed_is_refused_in_one_line(tmp_path):
    with pytest.raises(RecipeError, match=r"^x\.yaml: compare needs two tasks at least"):
        compare(small(tmp_path, {"intent": TASKS["intent"]}), where="x.yaml")
    with pytest.raises(RecipeError, match="--seeds 0"):
        compare(recipe(tmp_path), seeds=0)


@pytest.mark.parametrize("study", [compare, affinity])
def test_a_misspelt_recipe_deletes_nothing(tmp_path, study):
    kept = [tmp_path / name / "kept" for name in ("compare", "affinity")]
    for file in kept:
        file.parent.mkdir()
        file.touch()
    wrong = {**TWO, "slots": {**TWO["slots"], "head": {"layrs": 2}}}
    with pytest.raises(RecipeError, match=r'^x\.yaml: tasks.slots.head.layrs: .*did you mean "layers"'):
        study(small(tmp_path, wrong), fresh=True, where="x.yaml")
    assert all(file.exists() for file in kept)


def test_a_launcher_of_several_processes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(StudyError, match="unisono compare makes many runs, .* without torchrun"):
        compare(recipe(tmp_path))


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Path, dict, list]:
    folder = tmp_path_factory.mktemp("compare") / "run"
    names: list[tuple[str, int, int]] = []
    result = compare(recipe(folder), seeds=2, resamples=50, on_run=lambda *said: names.append(said))
    return folder / "compare", result, names


@pytest.mark.slow
def test_the_runs_are_those_of_each_seed(compared):
    folder, result, names = compared
    expected = [f"{what}-seed{seed}" for seed in (1, 2) for what in ("joint", "alone-intent", "alone-slots")]
    assert names == [(name, at, 6) for at, name in enumerate(expected, 1)]
    assert result["seeds"] == [1, 2] and result["tasks"] == ["intent", "slots"]
    assert all((folder / name / "finished.json").exists() for name in expected)
    assert not any((folder / name / "checkpoints").exists() for name in expected)
    assert json.loads((folder / "compare.json").read_text()) == result


@pytest.mark.slow
def test_each_task_alone_gets_the_steps_and_rows_that_it_got_together(compared):
    folder, result, _ = compared
    for at, seed in enumerate((1, 2)):
        joint = stepped(folder / f"joint-seed{seed}")
        for task in TWO:
            alone = stepped(folder / f"alone-{task}-seed{seed}")
            rows = [event["rows"].get(task, 0) for event in joint]
            assert sum(event["rows"][task] for event in alone) == sum(rows) == result["budget"][task]["rows"][at]
            assert len(alone) == sum(n > 0 for n in rows) == result["budget"][task]["steps"][at]
            for one in (joint[0], alone[0]):
                assert one["lr"]["trunk"] == pytest.approx(joint[0]["lr"]["trunk"])


@pytest.mark.slow
def test_a_task_that_learned_nothing_is_among_the_warnings(compared, monkeypatch):
    folder, before, _ = compared
    monkeypatch.setattr(standstill, "stands", lambda losses: (losses[0], losses[-1]))
    result = compare(recipe(folder.parent), seeds=2, resamples=50)
    more = [line for line in result["warnings"] if line not in before["warnings"]]
    assert [line.split(" (")[0] for line in more] == [
        f"{task} learned nothing {how} in 2 of 2 runs" for task in TWO for how in ("alone", "together")
    ]


@pytest.mark.slow
def test_what_one_task_holds_out_and_another_learns_from_is_among_the_warnings(compared, monkeypatch):
    folder, before, _ = compared
    seen: list[list[str]] = []
    monkeypatch.setattr(comparison, "leaks", lambda tasks, rows: seen.append([*tasks]) or ["a leak"])
    assert compare(recipe(folder.parent), seeds=2, resamples=50)["warnings"] == [*before["warnings"], "a leak"]
    assert seen == [["intent", "slots"]]


@pytest.mark.slow
def test_the_result_follows_from_the_scores_on_the_test_rows(compared):
    _, result, _ = compared
    assert result["split"] == {"intent": "test", "slots": "test"}
    assert result["metric"] == {"intent": "accuracy", "slots": "f1"}
    for task in TWO:
        means = [sum(result[side][task]) / 2 for side in ("joint", "alone")]
        wanted = relative(*means)
        assert result["delta"][task]["mean"] == (pytest.approx(wanted) if means[1] else None)
    known = [delta["mean"] for delta in result["delta"].values() if delta["mean"] is not None]
    assert result["delta_m"]["mean"] == (pytest.approx(sum(known) / len(known)) if known else None)
    assert result["sentence"]
    assert isinstance(result["delta_m"]["enough"], bool)


@pytest.mark.slow
def test_the_same_call_runs_nothing_and_says_the_same(compared, monkeypatch):
    folder, result, _ = compared

    def never(*arguments, **options):
        raise AssertionError("trained or scored again")

    monkeypatch.setattr(Loop, "_step", never)
    monkeypatch.setattr(held_out, "_evaluate", never)
    assert compare(recipe(folder.parent), seeds=2, resamples=50) == result


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_where_it_stopped(tmp_path, compared, monkeypatch):
    _, result, _ = compared
    take, steps = Loop._step, []

    def stepping(self: Loop) -> None:
        take(self)
        steps.append(self.step)
        if len(steps) == 6:  # in the second run
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Loop, "_step", stepping)
    with pytest.raises(KeyboardInterrupt):
        compare(recipe(tmp_path / "run"), seeds=1, resamples=50)
    assert len(steps) == 6
    again = compare(recipe(tmp_path / "run"), seeds=1, resamples=50)
    budget = again["budget"]
    assert len(steps) == 4 + sum(budget[task]["steps"][0] for task in TWO)  # none was taken twice
    assert again["joint"] == {task: scores[:1] for task, scores in result["joint"].items()}
    assert again["alone"] == {task: scores[:1] for task, scores in result["alone"].items()}


@pytest.mark.slow
def test_a_grid_is_chosen_from_on_validation_rows(tmp_path):
    tasks = {"intent": TASKS["intent"], "slots": {**TASKS["slots"], "head": {"lr": 0.002}}}
    wanted = small(tmp_path / "run", tasks, steps=2, evaluate_every=2, tokens_per_step=100)
    names: list[str] = []
    result = compare(
        wanted, seeds=1, grid=True, resamples=10, on_run=lambda name, at, of: names.append(f"{name} {at}/{of}")
    )
    runs = {name.split()[0] for name in names}
    assert {"joint-lr0.33-seed1", "joint-seed1", "joint-lr3-seed1", "alone-slots-lr3-seed1"} <= runs
    assert len(runs) == len(names) == 11  # joint: 3 rates and 2 weights; alone: 3 rates for each task
    assert names[-1].endswith("11/11")
    raised = (tmp_path / "run" / "compare" / "alone-slots-lr3-seed1" / "recipe.yaml").read_text()
    assert "lr: 0.006" in raised and "trunk_lr: 0.003" in raised
    assert set(result["settings"]["alone"]) == {"intent", "slots"}
