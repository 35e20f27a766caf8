"""Verify: groups are trained once, at the budget of all together, chosen on validation rows and judged on test rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.train.runs import TASKS, small
from unisono.recipe import Recipe, RecipeError, build
from unisono.study import held_out, tables
from unisono.study.affinity import affinity
from unisono.study.budget import best_evaluation, shared_rows, shared_steps, spent
from unisono.study.compare import compare
from unisono.study.difference import Interval, relative
from unisono.study.runs import LONGEST, _name
from unisono.study.variants import grouped
from unisono.study.verdict import advice
from unisono.train import journal
from unisono.train.loop import Loop

THREE = {"intent": TASKS["intent"], "slots": TASKS["slots"], "again": TASKS["intent"]}
UP, DOWN, UNCLEAR = Interval(3.0, 1.0, 5.0), Interval(-3.0, -5.0, -1.0), Interval(0.5, -1.0, 2.0)


def recipe(folder: Path) -> Recipe:
    return small(folder, THREE, steps=6, evaluate_every=3, tokens_per_step=150)


@pytest.fixture(scope="module")
def verified(tmp_path_factory) -> tuple[Path, dict, list]:
    folder = tmp_path_factory.mktemp("verify") / "run"
    names: list[tuple[str, int, int]] = []
    result = affinity(
        recipe(folder), verified=True, seeds=2, resamples=20, on_run=lambda *said: names.append(said)
    )  # fmt: skip
    return folder, result, names


def groups_of(result: dict) -> list[frozenset[str]]:
    return [frozenset(g) for one in result["verify"]["groupings"] for g in one["groups"] if len(g) == 2]


@pytest.mark.slow
def test_each_group_each_task_and_all_together_are_trained_once_a_seed(verified):
    folder, result, names = verified
    (pair,) = groups_of(result)
    group = "group-" + "+".join(task for task in THREE if task in pair)
    alone = [f"alone-{task}" for task in THREE]
    # Of the first seed, the run that measured the affinities is that of all tasks together.
    assert sorted(name for name, _, _ in names) == sorted(
        ["joint", *(f"{name}-seed1" for name in [*alone, group]), *(f"{n}-seed2" for n in ["joint", *alone, group])]
    )
    assert not (folder / "compare" / "joint-seed1").exists()
    assert [at for _, at, _ in names] == list(range(1, 11))
    found = result["verify"]["groupings"]
    assert [len(one["groups"]) for one in found] == [1, 2, 3] and result["verify"]["seeds"] == [1, 2]
    assert json.loads((folder / "affinity" / "affinity.json").read_text()) == result


@pytest.mark.slow
def test_a_group_gets_the_steps_and_rows_that_its_tasks_got_among_all(verified):
    folder, result, _ = verified
    (pair,) = groups_of(result)
    for seed, joint in ((1, folder / "affinity" / "joint"), (2, folder / "compare" / "joint-seed2")):
        (own,) = (folder / "affinity").glob(f"group-*-seed{seed}")
        wanted, found = spent(joint, THREE), spent(own, pair)
        for task in pair:
            assert abs(found[task].rows - wanted[task].rows) <= 1  # of a share that is no whole number of rows
            assert sum(shared_rows(own).values()) == (found[task].rows if pair == {"intent", "again"} else 0)
        assert len([e for e in journal.read(own / "events.jsonl") if e["event"] == "stepped"]) == shared_steps(
            joint, pair
        )


@pytest.mark.slow
def test_the_choice_is_made_on_validation_rows_and_judged_on_others(verified):
    folder, result, _ = verified
    found = result["verify"]
    assert found["by"] == "validation" and set(found["split"].values()) == {"test"}

    def run_of(task: str, groups: list[list[str]], seed: int) -> Path:
        (group,) = [group for group in groups if task in group]
        if len(group) == 1:
            return folder / "compare" / f"alone-{task}-seed{seed}"
        if len(group) == 3:
            return folder / "affinity" / "joint" if seed == 1 else folder / "compare" / f"joint-seed{seed}"
        return next((folder / "affinity").glob(f"group-*-seed{seed}"))

    def means(groups: list[list[str]]) -> dict[str, float]:
        events = {t: [best_evaluation(run_of(t, groups, seed)) for seed in (1, 2)] for t in THREE}
        return {t: sum(e["scores"][t][found["metric"][t]] for e in events[t]) / 2 for t in THREE}

    base = means([[task] for task in THREE])
    for one in found["groupings"]:
        own = means(one["groups"])
        changes = [relative(own[task], base[task]) for task in THREE if base[task]]
        assert one["validation"] == (pytest.approx(sum(changes) / len(changes)) if changes else 0.0)
        for task in THREE:
            of_alone = sum(found["groupings"][-1]["scores"][task]) / 2
            wanted = relative(sum(one["scores"][task]) / 2, of_alone)
            assert one["delta"][task]["mean"] == (pytest.approx(wanted) if of_alone else None)
    values = [one["validation"] for one in found["groupings"]]
    assert found["chosen"] == values.index(max(values))
    chosen, joint = found["groupings"][found["chosen"]], found["groupings"][0]
    for task in THREE:
        of_joint = sum(joint["scores"][task]) / 2
        wanted = relative(sum(chosen["scores"][task]) / 2, of_joint)
        assert found["delta_together"][task]["mean"] == (pytest.approx(wanted) if of_joint else None)


@pytest.mark.slow
def test_the_same_call_trains_nothing_and_compare_adds_one_run(verified, monkeypatch):
    folder, result, _ = verified
    take, steps = Loop._step, []

    def stepping(self: Loop) -> None:
        steps.append(self.run.name)
        take(self)

    monkeypatch.setattr(Loop, "_step", stepping)
    assert affinity(recipe(folder), verified=True, seeds=2, resamples=20) == result
    assert not steps
    compared = compare(recipe(folder), seeds=2, resamples=20)
    assert set(steps) == {"joint-seed1"}  # compare stands by itself
    ends = result["verify"]["groupings"]
    assert compared["joint"] == ends[0]["scores"] and compared["alone"] == ends[-1]["scores"]
    monkeypatch.setattr(held_out, "_evaluate", None)
    assert affinity(recipe(folder), verified=True, seeds=2, resamples=20) == result


@pytest.mark.slow
def test_the_table_shows_every_grouping(verified):
    _, result, _ = verified
    console = Console(width=200)
    with console.capture() as capture:
        for part in tables.related(result):
            console.print(part)
    text = capture.get()
    assert "all together" in text and "each alone" in text and "groups trained at one budget: 2 seeds" in text
    assert result["verify"]["sentence"][:40] in text


@pytest.mark.slow
def test_of_two_tasks_there_are_the_two_ends_alone(tmp_path):
    two = small(tmp_path, {name: THREE[name] for name in ("intent", "slots")}, steps=2, evaluate_every=2)
    names: list[tuple[str, int]] = []
    found = affinity(two, verified=True, seeds=1, resamples=5, on_run=lambda name, at, of: names.append((name, of)))
    assert [one["groups"] for one in found["verify"]["groupings"]] == [[["intent", "slots"]], [["intent"], ["slots"]]]
    assert [name for name, _ in names] == ["joint", "alone-intent-seed1", "alone-slots-seed1"]


def test_what_cannot_be_verified_is_refused_in_one_line(tmp_path):
    staged = small(tmp_path, THREE).model_dump(mode="json") | {"stages": "heads-first"}
    with pytest.raises(RecipeError, match=r"^x\.yaml: stages: .* leave the stages out with --set stages=\[\]"):
        affinity(build(staged), verified=True, where="x.yaml")
    for wrong in ({"groupings": 0}, {"seeds": 0}):
        with pytest.raises(RecipeError, match=f"--{next(iter(wrong))} 0: one"):
            affinity(recipe(tmp_path), verified=True, **wrong)


def test_a_group_keeps_the_balance_and_mixes_as_its_tasks_were_mixed(tmp_path):
    raw = recipe(tmp_path).model_dump(mode="json") | {"balance": "upgrad", "mix": "round-robin"}
    raw["tasks"]["slots"] |= {"weight": 3.0, "patience": 2, "when_done": "distill"}
    rows = {"intent": 40, "slots": 60}
    own = grouped(build(raw), list(rows), steps=10, rows=rows, shared={}, evaluations=3, run=tmp_path / "own")
    assert list(own.tasks) == ["intent", "slots"] and own.balance.method == "upgrad" and own.folder == tmp_path / "own"
    assert own.tasks["slots"].weight == 3.0 and own.tasks["slots"].patience is None
    assert own.mix.weights == {"intent": 40, "slots": 60} and own.mix.step == "one"
    assert (own.train.steps, own.train.rows_per_step, own.train.evaluate_every) == (10, 10.0, 4)


def test_rows_that_tasks_of_a_group_share_are_counted_once(tmp_path):
    rows = {"intent": 40, "slots": 60, "again": 40}
    common = {"steps": 10, "rows": rows, "evaluations": 3, "run": tmp_path / "own"}
    shared = {("intent", "again"): 50}
    own = grouped(recipe(tmp_path), ["intent", "slots", "again"], shared=shared, **common)
    assert own.mix.weights == {"intent": 50, "slots": 60, "again": 50} and own.train.rows_per_step == 11.0
    own = grouped(recipe(tmp_path), ["intent", "slots"], shared=shared, **common)
    assert own.mix.weights == {"intent": 40, "slots": 60} and own.train.rows_per_step == 10.0
    asked = build(recipe(tmp_path).model_dump(mode="json") | {"mix": {"share_rows": True}})
    assert grouped(asked, ["intent", "slots"], shared=shared, **common).mix.share_rows is None


def test_a_group_of_very_many_tasks_has_a_folder_of_its_own():
    many = [f"task-number-{at}" for at in range(100)]
    assert len(_name(many)) <= LONGEST and _name(many) != _name(many[:-1]) and _name(["a", "b"]) == "group-a+b"


def test_the_sentence_says_what_to_do_and_how_sure_it_is():
    common = {"among": 3, "chosen": True, "split": "test", "seeds": 3}
    said = advice([["a", "b"], ["c"]], alone=UP, together=UNCLEAR, **common)
    assert said.startswith("Learn a, b | c: the best of 3 groupings on the validation rows. On the test rows: +3.0 %")
    assert "enough to say that it is better than each alone" in said
    assert "not enough to say whether it is better than all together" in said
    said = advice([["a"], ["b"], ["c"]], alone=UNCLEAR, together=UP, **common)
    assert said.startswith("Learn each task alone:") and "against each alone" not in said
    assert "better than all together" in said
    said = advice([["a", "b", "c"]], alone=DOWN, together=UNCLEAR, **{**common, "chosen": False})
    assert said.startswith("Learn all of them together: the grouping of most affinity.")
    assert "worse than each alone" in said and "against all together" not in said
    assert "one seed" in advice([["a", "b"], ["c"]], alone=UP, together=UP, **{**common, "seeds": 1})
