"""Pretraining as a task: beside others, before others, the same to the bit, and a model that fills masks."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import unisono
from tests.train.runs import ROWS, TASKS, TRUNK, run, small
from unisono.recipe import build
from unisono.train import checkpoints
from unisono.train.events import Evaluated, Finished, Stepped

BOTH = {"text": {"kind": "mask", "data": ROWS}, "intent": TASKS["intent"]}
STAGES = [
    {"name": "pretrain", "tasks": ["text"], "until": {"steps": 3}},
    {"name": "fine-tune", "tasks": ["intent"], "until": {"steps": 3}},
]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found = checkpoints.load(checkpoints.steps(folder / "checkpoints")[-1])
    return {f"{group}/{name}": t for group, named in found.tensors.items() for name, t in named.items()}


def test_a_run_cut_short_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    from unisono.train.loop import Loop

    settings = {"save_every": 1, "evaluate_every": 2}
    run(small(tmp_path / "whole", BOTH, **settings))
    take = Loop._step

    def stepping(self: Loop) -> None:
        take(self)
        if self.step == 3:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Loop, "_step", stepping)
    assert run(small(tmp_path / "cut", BOTH, **settings)).of(Finished)[0].reason == "interrupted"
    monkeypatch.undo()
    run(small(tmp_path / "cut", BOTH, **settings))
    a, b = tensors(tmp_path / "whole"), tensors(tmp_path / "cut")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    scores = [
        [json.loads(line)["scores"] for line in (tmp_path / name / "events.jsonl").read_text().splitlines()
         if '"evaluated"' in line]
        for name in ("whole", "cut")
    ]  # fmt: skip
    assert scores[0] == scores[1] and scores[0][0]["text"]["perplexity"] > 1


def test_no_pass_is_shared_with_a_task_that_sees_the_whole_row(tmp_path):
    heard = run(small(tmp_path / "run", BOTH, steps=2))
    assert all(not step.shared for step in heard.of(Stepped))
    assert all(step.rows["text"] and step.rows["intent"] for step in heard.of(Stepped))


def test_what_the_last_stage_leaves_out_does_not_choose_the_weights(tmp_path):
    settings = {"steps": None, "evaluate_every": 1, "trunk_lr": 1e-3, "head_lr": 1e-3, "tokens_per_step": 200}
    recipe: dict[str, Any] = {"run": str(tmp_path / "run"), "trunk": TRUNK, "tasks": BOTH, "stages": STAGES}
    heard = run(build({**recipe, "train": settings, "max_bad_rows": 1.0}))
    rows = [(step.rows.get("text", 0) > 0, step.rows.get("intent", 0) > 0) for step in heard.of(Stepped)]
    assert rows == [(True, False)] * 3 + [(False, True)] * 3
    for one in heard.of(Evaluated):
        assert {"text", "intent"} <= one.scores.keys()
        assert one.mean == pytest.approx(one.scores["intent"]["accuracy"])


@pytest.mark.slow
def test_a_trained_model_fills_masks_and_is_asked_beside_others(tmp_path):
    (tmp_path / "train.txt").write_text("the cat sat on the mat\nmy dog ran down the road\n" * 30)
    plain = {"kind": "mask", "data": {"path": str(tmp_path), "ratio": {"validation": 0.2}}}
    tasks, rates = {"text": {**plain, "repeat": 5}, "intent": TASKS["intent"]}, {"trunk_lr": 1e-2, "head_lr": 1e-2}
    recipe = small(tmp_path / "run", tasks, steps=150, tokens_per_step=500, evaluate_every=150, **rates)
    trained = unisono.train(recipe)
    found, again = (unisono.evaluate(trained.run, split="validation")["text"] for _ in range(2))
    assert found.scores["accuracy"] > 0.8 and found.scores["perplexity"] < 3
    assert again.predictions == found.predictions
    model = unisono.load(trained.run)
    (said,) = model.predict("text", ["the cat [MASK] on the mat"])
    (one,) = said["hidden"]
    assert one["was"] is None and one["nats"] is None and one["at"] == 3
    assert len(one["said"]) == 5 and one["said"][0][1] > one["said"][1][1]
    assert {symbol.strip() for symbol, _ in one["said"][:2]} == {"sat", "ran"}
    both = model.predict_all("the cat [MASK] on the mat")
    assert both.keys() == {"text", "intent"} and both["text"] == said
    (whole,) = model.predict("text", ["the cat sat on the mat"])
    assert all(hidden["was"] is not None for hidden in whole["hidden"])
