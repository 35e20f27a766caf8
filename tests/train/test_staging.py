"""Staging: what is frozen does not move by a bit, stages and leavings come when they should, and all of it resumes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.runs import TASKS, run, small
from unisono.model import MultiTaskModel
from unisono.recipe import Recipe, RecipeError, build
from unisono.train import checkpoints
from unisono.train.events import Evaluated, Finished, Left, Staged, Stepped
from unisono.train.loop import Loop

EVERY = {"save_every": 1, "keep": 99, "warmup": 0.0, "schedule": "constant"}


def staged(folder: Path, stages: Any = (), *, tasks: dict[str, Any] | None = None, **more: Any) -> Recipe:
    """A small recipe with stages; ``tasks``: settings added to a task's own; ``more``: sections, settings of train."""
    sections = {name: more.pop(name) for name in ("mix", "balance", "seed") if name in more}
    own = {name: {**task, **(tasks or {}).get(name, {})} for name, task in TASKS.items()}
    recipe = small(folder, own, **{**EVERY, **more}).model_dump(mode="json")
    return build({**recipe, **sections, "stages": list(stages) if isinstance(stages, tuple) else stages})


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return checkpoints.load(folder / "checkpoints" / f"step-{step:08d}").tensors["model"]


def moved(folder: Path, first: int, last: int) -> set[str]:
    before, after = weights(folder, first), weights(folder, last)
    return {name for name in before if not torch.equal(before[name], after[name])}


def end(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    path, _ = checkpoints.latest(folder / "checkpoints")
    assert path is not None
    found = checkpoints.load(path)
    found.state.pop("elapsed")
    return {f"{g}/{n}": t for g, named in found.tensors.items() for n, t in named.items()}, found.state


def scripted(monkeypatch: pytest.MonkeyPatch, scores: dict[str, list[float]]) -> None:
    """Main metrics as written, one an evaluation (every third step), the last one for good."""

    def main_scores(model: Any, results: Any) -> dict[str, float]:
        at = loops[-1].step // 3 - 1
        return {task: values[min(at, len(values) - 1)] for task, values in scores.items()}

    loops: list[Loop] = []
    evaluate = Loop._evaluate

    def watched(self: Loop) -> None:
        loops.append(self)
        evaluate(self)

    monkeypatch.setattr(Loop, "_evaluate", watched)
    monkeypatch.setattr(sys.modules[Loop.__module__], "main_scores", main_scores)


# -- stages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("balance", ["sum", "mgda"])
def test_what_is_frozen_stays_to_the_bit_and_the_rest_moves(tmp_path, balance):
    stages = [
        {"until": {"steps": 2}},
        {"tasks": ["intent", "slots"], "freeze": ["trunk.0", "heads.slots"], "until": {"steps": 2}},
        {"tasks": ["intent", "slots"], "freeze": ["trunk"]},
    ]
    heard = run(staged(tmp_path, stages, balance=balance, ema=0.9))
    table, layer = "stems.text.embedding.weight", {n for n in weights(tmp_path, 2) if ".layer.0." in n}
    heads = {task: {n for n in weights(tmp_path, 2) if n.startswith(f"heads.{task}.")} for task in TASKS}
    assert layer and all(heads.values())
    assert moved(tmp_path, 1, 2) >= layer | heads["intent"] | heads["slots"] | {table}
    second, third = moved(tmp_path, 2, 4), moved(tmp_path, 4, 6)
    assert second >= heads["intent"] | {table} and not second & (layer | heads["slots"] | heads["en-de"])
    assert third == heads["intent"] | heads["slots"]
    assert [set(e.rows) for e in heard.of(Stepped)][2:] == [{"intent", "slots"}] * 4


@pytest.mark.parametrize("balance", ["sum", "mgda"])
def test_gradual_unfreeze_thaws_from_the_top_under_every_way_of_balancing(tmp_path, balance):
    stages = {"preset": "gradual-unfreeze", "until": {"steps": 2}}
    heard = run(staged(tmp_path, stages, balance=balance, steps=8))
    assert [(e.step, e.number, e.name) for e in heard.of(Staged)] == [
        (0, 1, "heads"), (2, 2, "from layer 0"), (4, 3, "all"),
    ]  # fmt: skip

    def shared(first: int, last: int) -> set[str]:
        return {n for n in moved(tmp_path, first, last) if not n.startswith("heads.")}

    assert shared(1, 2) == set()
    assert shared(2, 4) and all(".layer.0." in n for n in shared(2, 4))
    assert "stems.text.embedding.weight" in shared(4, 8)


def test_stages_are_told_and_set_the_learning_rates(tmp_path):
    stages = [{"name": "warm", "freeze": ["embeddings"], "lr": {"trunk": 0.5, "heads": 2}, "until": {"steps": 2}}, {}]
    heard = run(staged(tmp_path, stages, steps=4))
    first, second = heard.of(Staged)
    assert (first.step, first.number, first.name, first.frozen) == (0, 1, "warm", ["embeddings"])
    assert first.scale == {"trunk": 0.5, "heads": 2.0} and first.tasks == list(TASKS)
    assert (second.step, second.number, second.name, second.frozen) == (2, 2, "stage 2", [])
    rates = [(e.lr["trunk"], e.lr["heads.intent"]) for e in heard.of(Stepped)]
    assert rates == [pytest.approx(r) for r in [(5e-4, 2e-3)] * 2 + [(1e-3, 1e-3)] * 2]
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [e["name"] for e in lines if e["event"] == "staged"] == ["warm", "stage 2"]


def test_without_stages_nothing_is_told(tmp_path):
    assert not run(staged(tmp_path, steps=1)).of(Staged)


def test_stages_by_steps_alone_make_up_the_run_and_an_end_of_the_last_ends_it(tmp_path):
    heard = run(staged(tmp_path / "sum", [{"until": {"steps": 2}}, {"until": {"steps": 3}}], steps=None))
    assert heard.of(Finished)[0].step == 5 and heard.of(Stepped)[-1].progress == 1.0
    heard = run(
        staged(tmp_path / "cut", [{"until": {"steps": 2}}, {"until": {"steps": 2}}], steps=6, evaluate_every=99)
    )
    assert heard.of(Finished)[0].step == 4
    assert [e.step for e in heard.of(Evaluated)] == [4]


def test_a_plateau_ends_a_stage(tmp_path, monkeypatch):
    scripted(monkeypatch, {"intent": [0.5, 0.5, 0.4], "slots": [0.1, 0.2, 0.3]})
    stages = [{"tasks": ["intent"], "until": {"plateau": 2}}, {"tasks": ["slots"]}]
    heard = run(staged(tmp_path, stages, steps=11))
    assert [e.step for e in heard.of(Staged)] == [0, 9]


def test_easy_to_hard_takes_the_tasks_by_how_far_their_losses_fell(tmp_path):
    heard = run(staged(tmp_path, "easy-to-hard", steps=20, evaluate_every=20))
    tasks = [e.tasks for e in heard.of(Staged)]
    assert [len(t) for t in tasks] == [3, 1, 2, 3]
    assert set(tasks[1]) < set(tasks[2])


@pytest.mark.parametrize(
    ("stages", "more", "says"),
    [
        ([{"freeze": ["trunk", "heads.ner"]}], {}, 'stages.0.freeze: there is no task "ner"'),
        ([{"freeze": ["trunk", "heads.slots"]}], {}, 'nothing of task "slots" learns'),
        ([{"until": {"plateau": 1}}], {"data": {"ratio": {"validation": 0}}}, "none of its tasks has validation rows"),
        (
            [],
            {"patience": 2, "data": {"ratio": {"validation": 0}}},
            "tasks.intent.patience: the task has no validation",
        ),
    ],
)
def test_stages_that_cannot_work_are_refused(tmp_path, stages, more, says):
    lines = [
        json.dumps({"text": f"word number {i}", "intent": "ab"[i % 2], "tokens": ["x"], "tags": ["O"]})
        for i in range(9)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    data = {"path": str(tmp_path / "rows.jsonl"), **more.pop("data", {})}
    tasks = {
        "intent": {**TASKS["intent"], "data": data, **more},
        "slots": {"kind": "classify", "data": data, "columns": {"label": "intent"}},
    }
    with pytest.raises(RecipeError) as caught:
        run(build({**small(tmp_path / "run", tasks).model_dump(mode="json"), "stages": stages}))
    assert says in str(caught.value) and len(str(caught.value).splitlines()) == 1


# -- tasks that leave ----------------------------------------------------------------------------------------------


def test_a_task_that_is_stopped_leaves_the_mix_and_its_head_stands_still(tmp_path, monkeypatch):
    scripted(monkeypatch, {"intent": [0.5, 0.5], "slots": [0.1, 0.2, 0.3], "en-de": [0.1, 0.2, 0.3]})
    heard = run(staged(tmp_path, tasks={"intent": {"patience": 1}, "slots": {"patience": 1}}, steps=9))
    assert heard.of(Left) == [Left(6, "intent", "no better than 0.5 for 1 evaluation", "stopped")]
    assert all("intent" in e.rows for e in heard.of(Stepped)[:6])
    assert all("intent" not in e.rows for e in heard.of(Stepped)[6:])
    assert any(n.startswith("heads.intent.") for n in moved(tmp_path, 3, 6))
    assert not any(n.startswith("heads.intent.") for n in moved(tmp_path, 6, 9))


def test_when_all_tasks_have_left_the_run_ends(tmp_path, monkeypatch):
    scripted(monkeypatch, {task: [0.5] for task in TASKS})
    heard = run(staged(tmp_path, tasks={task: {"patience": 1} for task in TASKS}, steps=30))
    assert len(heard.of(Left)) == 3
    assert (heard.of(Finished)[0].step, heard.of(Finished)[0].reason) == (6, "done")
    assert checkpoints.latest(tmp_path / "checkpoints")[0].name == "step-00000006"


def test_a_distilled_task_stays_in_fewer_rows_and_learns_from_its_teacher(tmp_path, monkeypatch):
    scripted(monkeypatch, {task: [0.5] if task == "intent" else [0.1 * i for i in range(9)] for task in TASKS})
    tasks = {"intent": {"patience": 1, "when_done": "distill"}}
    heard = run(staged(tmp_path, tasks=tasks, steps=18, mix="uniform", tokens_per_step=400))
    assert [e.how for e in heard.of(Left)] == ["distilled"]
    rows = [e.rows.get("intent", 0) for e in heard.of(Stepped)]
    assert 0 < sum(rows[6:]) / 12 < 0.6 * sum(rows[:6]) / 6
    teacher = MultiTaskModel.from_pretrained(tmp_path / "teachers" / "intent")
    wanted = weights(tmp_path, 6)
    assert all(torch.equal(t, wanted[name]) for name, t in teacher.state_dict().items())
    losses = [e.losses["intent"] for e in heard.of(Stepped) if "intent" in e.losses]
    assert max(losses[6:]) < 0.5 * min(losses[:6])  # of a teacher that says nearly the same, not of labels


@pytest.mark.slow
def test_distilling_keeps_predictions_nearer_to_what_they_were(tmp_path, monkeypatch):
    scripted(monkeypatch, {task: [0.5] if task == "intent" else [0.1 * i for i in range(99)] for task in TASKS})
    rows = ["wake me up at six", "play some music", "what is the weather like", "set an alarm for monday"] * 3

    def drift(how: str) -> float:
        folder = tmp_path / how
        tasks = {"intent": {"patience": 1, "when_done": how}}
        run(staged(folder, tasks=tasks, steps=90, trunk_lr=5e-3, head_lr=5e-3, tokens_per_step=400, save_every=90))
        if how == "distill":
            before.append(MultiTaskModel.from_pretrained(folder / "teachers" / "intent"))
        after = MultiTaskModel.from_pretrained(folder / "model")
        after.load_state_dict(weights(folder, 90))
        pairs = zip(before[0].predict("intent", rows), after.predict("intent", rows), strict=True)
        return sum(abs(a["scores"][n] - b["scores"][n]) for a, b in pairs for n in a["scores"])

    before: list[MultiTaskModel] = []
    kept = drift("distill")
    assert kept < 0.7 * drift("stop")


# -- mixes and resuming --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["loss-driven", "uncertainty", "gradient-norm", "round-robin"])
def test_every_mix_trains_and_keeps_to_its_shares(tmp_path, by):
    heard = run(staged(tmp_path, mix={"by": by, "floor": 0.3}, steps=9, evaluate_every=9, tokens_per_step=400))
    given = [set(e.rows) for e in heard.of(Stepped)]
    if by == "round-robin":
        assert given == ([{"intent", "en-de"}, {"slots"}] * 5)[:9]  # two of the tasks share rows, and their turn
    else:
        assert all(set(TASKS) == set().union(*given[at : at + 3]) for at in range(7))
    history = end(tmp_path)[1]["staging"]["history"]
    assert all(seen["losses"] >= 3 for seen in history.values())
    assert all((seen["norm"] > 0) == (by == "gradient-norm") for seen in history.values())


RESUMED = {
    "plateau and patience": {
        "stages": [
            {"tasks": ["intent", "slots"], "freeze": ["embeddings"], "until": {"steps": 2}},
            {"until": {"plateau": 2}},
            {},
        ],
        "tasks": {"slots": {"patience": 1}},
        "mix": "loss-driven",
    },
    "distilled": {
        "tasks": {"intent": {"patience": 1, "when_done": "distill"}},
        "mix": {"by": "uncertainty", "step": "one"},
    },
    "gradients": {"stages": {"preset": "heads-first", "until": {"steps": 3}}, "mix": "gradient-norm", "ema": 0.9},
    "measured": {"stages": "easy-to-hard", "balance": "pcgrad"},
}


@pytest.mark.parametrize("what", RESUMED)
@pytest.mark.parametrize("at", [2, 7])
def test_a_run_stopped_within_a_stage_ends_in_the_same_bits(tmp_path, monkeypatch, what, at):
    scripted(monkeypatch, {"intent": [0.5], "slots": [0.1, 0.2, 0.2, 0.1], "en-de": [0.1, 0.1, 0.4]})
    whole = run(staged(tmp_path / "whole", steps=12, **RESUMED[what]))
    recipe = staged(tmp_path / "cut", steps=12, **RESUMED[what])
    with monkeypatch.context() as patch:
        _stop_after(at, patch)
        assert run(recipe).of(Finished)[0].reason == "interrupted"
    again = run(recipe)
    assert again.of(Finished)[0].reason == "done"
    (a, one), (b, other) = end(tmp_path / "whole"), end(tmp_path / "cut")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert one == other
    for kind in ("staged", "left"):
        told = [_told(tmp_path / folder, kind) for folder in ("whole", "cut")]
        assert told[0] == told[1] and len(told[0]) == len(whole.of({"staged": Staged, "left": Left}[kind]))


def _told(folder: Path, kind: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [{k: v for k, v in e.items() if k != "time"} for e in events if e["event"] == kind]


def _stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Loop._step

    def stepping(self: Loop) -> None:
        take(self)
        if self.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Loop, "_step", stepping)
