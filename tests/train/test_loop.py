"""The loop: exact gradients however a step is cut, exact resumption, and a good end to every bad moment."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from tests.train.runs import TASKS, Heard, run, small
from unisono.data import DataError
from unisono.model import MultiTaskModel
from unisono.recipe import RecipeError
from unisono.train import checkpoints
from unisono.train.events import Evaluated, Finished, Noted, Skipped, Stepped
from unisono.train.stepping import TrainingFailed


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Everything in the newest checkpoint of a run."""
    path, _ = checkpoints.latest(folder / "checkpoints")
    assert path is not None
    loaded = checkpoints.load(path)
    return {f"{group}/{name}": t for group, named in loaded.tensors.items() for name, t in named.items()}


def state(folder: Path) -> dict:
    path, _ = checkpoints.latest(folder / "checkpoints")
    assert path is not None
    found = checkpoints.load(path).state
    found.pop("elapsed")
    return found


def losses(heard: Heard) -> list[dict[str, float]]:
    return [e.losses for e in heard.of(Stepped)]


@pytest.mark.slow
def test_every_task_learns(tmp_path):
    tasks = {**TASKS, "intent": {**TASKS["intent"], "head": {"pool": "mean"}}}  # a first token learns to look later
    settings = {"steps": 150, "tokens_per_step": 600, "head_lr": 1e-2, "trunk_lr": 5e-3}
    heard = run(small(tmp_path, tasks, evaluate_every=150, **settings))
    first, last = losses(heard)[0], losses(heard)[-1]
    assert all(last[task] < 0.7 * first[task] for task in tasks), (first, last)


def test_small_passes_give_the_same_steps_as_large_ones(tmp_path):
    settings = {"steps": 3, "evaluate_every": 3}
    no_dropout = {n: {**t, "head": {**t.get("head", {}), "dropout": 0}} for n, t in TASKS.items()}
    whole = small(tmp_path / "whole", no_dropout, **settings)
    trunk = whole.trunk.model_copy(update={"dropout": 0.0})
    pieces = small(tmp_path / "pieces", no_dropout, micro_tokens=30, **settings)
    one = run(whole.model_copy(update={"trunk": trunk}))
    many = run(pieces.model_copy(update={"trunk": trunk}))
    for a, b in zip(losses(one), losses(many), strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    a, b = tensors(tmp_path / "whole"), tensors(tmp_path / "pieces")
    for name in a:
        if name.startswith("optimizer/exp_avg/"):
            assert_close(a[name], b[name], rtol=1e-3, atol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    run(small(tmp_path / "a"))
    run(small(tmp_path / "b"))
    run(small(tmp_path / "c").model_copy(update={"seed": 2}))
    a, b, c = (tensors(tmp_path / n) for n in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["model/stems.text.embedding.weight"], c["model/stems.text.embedding.weight"])


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, at, monkeypatch):
    settings = {"save_every": 1, "ema": 0.9}
    run(small(tmp_path / "whole", **settings))
    recipe = small(tmp_path / "cut", **settings)
    _stop_after(at, monkeypatch)
    assert run(recipe).of(Finished)[0].reason == "interrupted"
    monkeypatch.undo()
    assert run(recipe).of(Finished)[0].reason == "done"
    a, b = tensors(tmp_path / "whole"), tensors(tmp_path / "cut")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert state(tmp_path / "whole") == state(tmp_path / "cut")
    steps = [json.loads(line) for line in (tmp_path / "cut" / "events.jsonl").read_text().splitlines()]
    taken = [e["step"] for e in steps if e["event"] == "stepped"]
    assert taken == list(range(1, 7))


@pytest.mark.slow
def test_every_one_of_20_steps_is_a_place_to_resume_from(tmp_path):
    settings = {"steps": 20, "evaluate_every": 10, "save_every": 1, "keep": 20, "ema": 0.9}
    run(small(tmp_path / "whole", **settings))
    end, known = tensors(tmp_path / "whole"), state(tmp_path / "whole")
    for at in range(1, 20):
        cut = tmp_path / f"cut-{at}"
        shutil.copytree(tmp_path / "whole", cut, ignore=shutil.ignore_patterns("finished.json", "model"))
        for folder in checkpoints.steps(cut / "checkpoints"):
            if checkpoints.step_of(folder) > at:
                shutil.rmtree(folder)
        assert run(small(cut, **settings)).of(Stepped)[0].step == at + 1
        found = tensors(cut)
        assert all(torch.equal(found[name], end[name]) for name in end), at
        assert state(cut) == known, at


def _stop_after(step: int, monkeypatch: pytest.MonkeyPatch, number: signal.Signals = signal.SIGTERM) -> None:
    from unisono.train.loop import Loop

    take = Loop._step

    def stepping(self: Loop) -> None:
        take(self)
        if self.step == step:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Loop, "_step", stepping)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves(tmp_path, monkeypatch, number):
    _stop_after(2, monkeypatch, number)
    heard = run(small(tmp_path))
    assert heard.of(Finished)[0].reason == "interrupted"
    assert [p.name for p in checkpoints.steps(tmp_path / "checkpoints")] == ["step-00000002"]


def test_a_finished_run_is_not_trained_again_and_a_damaged_checkpoint_costs_one(tmp_path, monkeypatch):
    recipe = small(tmp_path, save_every=1, keep=3)
    _stop_after(4, monkeypatch)
    run(recipe)
    monkeypatch.undo()
    newest, _ = checkpoints.latest(tmp_path / "checkpoints")
    with (newest / "model.safetensors").open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xfe")
    heard = run(recipe)
    assert heard.of(Stepped)[0].step == 4
    assert any("damaged" in e.text for e in heard.of(Noted))
    assert not run(recipe).of(Stepped)


def test_another_recipe_is_refused_the_run(tmp_path):
    run(small(tmp_path))
    with pytest.raises(RecipeError, match=r"train.head_lr: 0.001 there, 0.1 here.*--fresh"):
        run(small(tmp_path, head_lr=0.1))
    assert run(small(tmp_path, head_lr=0.1), fresh=True).of(Stepped)


def test_a_mended_recipe_takes_the_place_of_one_that_never_began(tmp_path):
    wrong = small(tmp_path, {**TASKS, "lost": {**TASKS["slots"], "data": str(tmp_path / "nowhere.csv")}})
    with pytest.raises(DataError, match="no file or folder"):
        run(wrong)
    assert run(small(tmp_path)).of(Stepped)
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        run(wrong)


def test_a_misspelt_recipe_costs_no_run(tmp_path):
    run(small(tmp_path))
    wrong = small(tmp_path, {**TASKS, "intent": {**TASKS["intent"], "head": {"layrs": 2}}})
    with pytest.raises(RecipeError, match='did you mean "layers"'):
        run(wrong, fresh=True)
    assert (tmp_path / "model").exists()
    with pytest.raises(RecipeError, match='did you mean "layers"'):
        run(wrong.model_copy(update={"run": str(tmp_path / "other")}))
    assert not (tmp_path / "other").exists()


def test_fresh_deletes_no_folder_that_is_not_a_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RecipeError, match="not the folder of a run"):
        run(small(tmp_path), fresh=True)
    assert (tmp_path / "thesis.txt").exists()


def _poison(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    """Makes the tagger's loss NaN in its n-th forward passes."""
    loss_of, calls = MultiTaskModel.loss_of, []

    def poisoned(self, states, batch):
        loss = loss_of(self, states, batch)
        if self.training and batch.task == "slots":
            calls.append(1)
            if len(calls) in steps:
                return loss._replace(total=loss.total * math.nan)
        return loss

    monkeypatch.setattr(MultiTaskModel, "loss_of", poisoned)


def test_a_loss_that_is_not_finite_names_task_and_rows_and_is_skipped(tmp_path, monkeypatch):
    _poison(monkeypatch, {2})
    heard = run(small(tmp_path))
    (skipped,) = heard.of(Skipped)
    assert skipped.task == "slots" and skipped.step == 2
    assert skipped.rows and all(file == "train" and row > 0 for file, row in skipped.rows)
    assert all(torch.isfinite(t).all() for t in tensors(tmp_path).values() if t.is_floating_point())


def test_too_many_of_them_stop_the_run_and_leave_the_good_checkpoint(tmp_path, monkeypatch):
    _poison(monkeypatch, set(range(4, 99)))
    with pytest.raises(
        TrainingFailed, match=r'task "slots": the loss is not finite at step \d+, first in .* row \d+; 3 such steps'
    ):
        run(small(tmp_path, steps=20, max_bad_steps=2))
    path, broken = checkpoints.latest(tmp_path / "checkpoints")
    assert path is not None and path.name == "step-00000003" and not broken


def test_without_memory_the_same_step_is_done_in_smaller_passes(tmp_path, monkeypatch):
    def limited(most):
        states_of = MultiTaskModel.states_of

        def tight(self, batches):
            if self.training and batches[0].inputs.layout.total > most:
                raise torch.OutOfMemoryError("out of memory")
            return states_of(self, batches)

        return tight

    settings = {"steps": 2, "evaluate_every": 2, "tokens_per_step": 600}
    whole = run(small(tmp_path / "whole", **settings))
    monkeypatch.setattr(MultiTaskModel, "states_of", limited(70))
    heard = run(small(tmp_path / "tight", **settings))
    assert any("out of memory" in e.text for e in heard.of(Noted))
    assert [e.rows for e in heard.of(Stepped)] == [e.rows for e in whole.of(Stepped)]
    assert state(tmp_path / "tight")["micro_tokens"] <= 100


def test_the_best_checkpoint_is_kept_and_its_model_saved(tmp_path):
    heard = run(small(tmp_path, steps=12, evaluate_every=2, keep=1))
    means = {e.step: e.mean for e in heard.of(Evaluated)}
    best = max(means, key=lambda step: (means[step], -step))
    kept = {checkpoints.step_of(p) for p in checkpoints.steps(tmp_path / "checkpoints")}
    assert kept == {12, best}
    model = MultiTaskModel.from_pretrained(tmp_path / "model")
    wanted = checkpoints.load(tmp_path / "checkpoints" / f"step-{best:08d}").tensors["model"]
    assert all(torch.equal(t, wanted[name]) for name, t in model.state_dict().items())
    assert "## Scores on the validation split" in (tmp_path / "model" / "README.md").read_text()


def test_a_main_metric_that_is_not_scored_is_told_once(tmp_path):
    tasks = {**TASKS, "intent": {**TASKS["intent"], "metric": "f1/no_such_intent"}}
    heard = run(small(tmp_path / "run", tasks, steps=2, evaluate_every=1))
    (told,) = [note.text for note in heard.of(Noted) if "main metric" in note.text]
    assert told.startswith('task "intent": no "f1/no_such_intent" in its scores (accuracy, macro_f1')
    assert [sorted(one.main) for one in heard.of(Evaluated)] == [["en-de", "slots"]] * 2


def test_rows_without_a_label_are_told_and_never_drawn(tmp_path):
    lines = [{"text": f"word number {i}", "label": ("ab"[i % 2] if i < 8 else None)} for i in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = {"kind": "classify", "data": {"path": str(tmp_path / "rows.jsonl"), "ratio": {"validation": 0}}}
    heard = run(small(tmp_path / "run", {"t": task}, tokens_per_step=None, rows_per_step=8, steps=3))
    assert any('task "t": 12 of 20 training rows have no label' in e.text for e in heard.of(Noted))
    assert all(e.units == {"t": 8} for e in heard.of(Stepped))


def test_a_task_of_weight_zero_leaves_the_trunk_alone(tmp_path):
    tasks = {n: {**t, "weight": 0.0} for n, t in TASKS.items()}
    run(small(tmp_path / "a", tasks, steps=1, evaluate_every=1))
    moved = [n for n, t in tensors(tmp_path / "a").items() if n.startswith("optimizer/exp_avg/") and t.abs().max() > 0]
    assert moved == []


@pytest.mark.parametrize(
    "mix", ["uniform", "temperature", "annealed", {"weights": {"intent": 1, "slots": 2, "en-de": 1}}, {"step": "one"}]
)
def test_every_mix_trains(tmp_path, mix):
    recipe = small(tmp_path, steps=4, evaluate_every=4)
    data = {**recipe.model_dump(mode="json"), "mix": mix}
    from unisono.recipe import build

    heard = run(build(data))
    if mix == {"step": "one"}:
        assert {tuple(e.rows) for e in heard.of(Stepped)} <= {("slots",), ("intent", "en-de")}  # these two share rows


def test_bf16_and_row_batches_train(tmp_path):
    heard = run(small(tmp_path, tokens_per_step=None, rows_per_step=12, precision="bf16"))
    assert all(e.rows["intent"] == e.rows["en-de"] for e in heard.of(Stepped))  # of the same rows
    assert all(e.rows["intent"] + e.rows["slots"] in (11, 12, 13) for e in heard.of(Stepped))
    assert all(math.isfinite(v) for e in heard.of(Stepped) for v in e.losses.values())


def test_minutes_alone_end_a_run(tmp_path):
    heard = run(small(tmp_path, steps=None, minutes=0.02, evaluate_every=1000))
    done = heard.of(Finished)[0]
    assert done.reason == "done" and done.seconds >= 1.2
