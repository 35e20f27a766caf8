"""LoRA in training: the adapters and heads alone learn, under every way of balancing; checkpoints are small and resume
to the bit; the saved model is a plain one."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from tests.train import test_processes as processes
from tests.train.adapted import adapted, pretrained
from tests.train.runs import TASKS, run
from tests.train.test_balancing import loop_of, reference
from tests.train.test_loop import _stop_after, losses, state, tensors
from unisono.model import MultiTaskModel
from unisono.recipe import RecipeError, build
from unisono.train import checkpoints
from unisono.train.check import check
from unisono.train.events import Finished, Started, Stepped
from unisono.train.run import train
from unisono.train.shared import shared_layers

pytest.importorskip("peft", reason="pip install 'unisono[lora]'")

SENTENCES = ["Wake me up at seven.", "Play something by Queen, please!", "Hi"]
STILL = {n: {**t, "head": {**t.get("head", {}), "dropout": 0}} for n, t in TASKS.items()}


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> Path:
    return pretrained(tmp_path_factory.mktemp("encoder"))


def is_head_or_adapter(name: str) -> bool:
    return name.startswith("heads.") or ".lora_" in name


@pytest.mark.parametrize("targets", [["query", "value"], "all"])
def test_the_loss_falls_on_eight_rows(tmp_path, trunk, targets):
    rows = {"path": "builtin:everyday", "limit": {"train": 8}, "ratio": {"validation": 0}, "splits": {}}
    tasks = {"slots": {"kind": "tag", "data": rows}}
    settings = {"steps": 40, "rows_per_step": 8, "tokens_per_step": None, "evaluate_every": 40}
    heard = run(adapted(tmp_path, trunk, tasks, lora={"targets": targets}, trunk_lr=2e-2, head_lr=1e-2, **settings))
    assert losses(heard)[-1]["slots"] < 0.5 * losses(heard)[0]["slots"]


@pytest.mark.parametrize("balance", ["sum", "upgrad", "graddrop", "uncertainty"])
def test_adapters_and_heads_alone_get_gradients_and_move(tmp_path, trunk, balance):
    """With averaged weights, clipped gradients, rates that differ by layer, and steps cut into passes."""
    recipe = adapted(tmp_path, trunk, balance=balance, ema=0.9, clip=0.5, layer_decay=0.5, micro_tokens=60)
    loop = loop_of(recipe)
    before = {n: p.detach().clone() for n, p in loop.model.named_parameters()}
    loop.train()
    moved = {n for n, p in loop.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if is_head_or_adapter(n)}
    assert all(p.grad is None for n, p in loop.model.named_parameters() if not is_head_or_adapter(n))
    kept = tensors(tmp_path)
    assert {n.split("/", 1)[1] for n in kept if n.startswith(("model/", "ema/"))} == moved | {"updates"}
    assert {n.split("/")[2] for n in kept if n.startswith("optimizer/exp_avg/")} == moved
    rates = {g["name"]: g["base_lr"] for g in loop.optimizer.param_groups if g["name"].startswith("trunk")}
    assert rates == {"trunk.1": pytest.approx(5e-4), "trunk.2": pytest.approx(1e-3)}


def test_gradients_compared_at_the_output_move_the_adapters_alone(tmp_path, trunk):
    tasks = {name: TASKS[name] for name in ("intent", "en-de")}  # they share their rows
    loop = loop_of(adapted(tmp_path, trunk, tasks, balance={"method": "upgrad", "scope": "features"}))
    before = {n: p.detach().clone() for n, p in loop.model.named_parameters()}
    loop.train()
    moved = {n for n, p in loop.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if is_head_or_adapter(n)}


@pytest.mark.parametrize("method", ["upgrad", "graddrop"])
def test_what_is_captured_is_the_adapters_gradient_and_no_more(tmp_path, trunk, method):
    loop = loop_of(adapted(tmp_path, trunk, STILL, dropout=0.0, balance=method))
    with torch.no_grad():
        for name, p in loop.model.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.1)  # at its start B is 0, and so is the gradient of A
    rows = loop.draw()
    true = reference(loop, rows)
    _, _, found = loop._forward_backward(rows)
    parameters = dict(loop.model.named_parameters())
    names = [n for n in parameters if ".lora_" in n]
    layers, tables = shared_layers(loop.model)
    assert list(layers) == ["layer.0", "layer.1"] and tables == []
    buffer = loop.balancing._capture.matrix
    assert buffer.shape == (3, loop.model.trunk.adapter_size) == (3, sum(parameters[n].numel() for n in names))
    matrix = torch.stack([torch.cat([true[t][n].flatten() for n in names]) for t in found.tasks]).double()
    assert_close(sum(found.gramians.values()), matrix @ matrix.T, rtol=2e-3, atol=1e-7)
    if method == "upgrad":
        for name in names:
            expected = sum(found.weights[t] * true[t][name] for t in found.tasks)
            assert_close(parameters[name].grad, expected, rtol=2e-3, atol=1e-6)


def test_small_passes_give_the_same_steps_as_large_ones(tmp_path, trunk):
    settings = {"steps": 3, "evaluate_every": 3, "dropout": 0.0, "trunk_lr": 1e-2}
    one = run(adapted(tmp_path / "whole", trunk, STILL, **settings))
    many = run(adapted(tmp_path / "pieces", trunk, STILL, micro_tokens=30, **settings))
    for a, b in zip(losses(one), losses(many), strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_bf16_trains(tmp_path, trunk):
    heard = run(adapted(tmp_path, trunk, precision="bf16", balance="upgrad", lora={"dropout": 0.1}))
    assert all(math.isfinite(v) for each in losses(heard) for v in each.values())


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path, trunk):
    for name, train_on in (("one", processes.alone), ("two", processes.together)):
        recipe = adapted(tmp_path / name, trunk, STILL, dropout=0.0, balance="upgrad", trunk_lr=1e-2)
        path = tmp_path / f"{name}.yaml"
        path.write_text(recipe.to_yaml())
        train_on(path)
    one, two = (processes.steps(tmp_path / name) for name in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        assert a["losses"] == pytest.approx(b["losses"], rel=2e-4)


@pytest.mark.parametrize("balance", ["upgrad", "uncertainty"])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, trunk, balance, monkeypatch):
    settings = {"save_every": 1, "ema": 0.9, "balance": balance, "lora": {"dropout": 0.1}, "clip": 0.5}
    run(adapted(tmp_path / "whole", trunk, **settings))
    recipe = adapted(tmp_path / "cut", trunk, **settings)
    _stop_after(3, monkeypatch)
    assert run(recipe).of(Finished)[0].reason == "interrupted"
    monkeypatch.undo()
    assert [e.step for e in run(recipe).of(Stepped)] == [4, 5, 6]
    a, b = tensors(tmp_path / "whole"), tensors(tmp_path / "cut")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert state(tmp_path / "whole") == state(tmp_path / "cut")
    one, other = (MultiTaskModel.from_pretrained(tmp_path / n / "model").state_dict() for n in ("whole", "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_goes_on_beside_the_weights_it_began_with_or_not_at_all(tmp_path, monkeypatch):
    folder = pretrained(tmp_path / "encoder")
    recipe = adapted(tmp_path / "run", folder)
    _stop_after(2, monkeypatch)
    run(recipe)
    monkeypatch.undo()
    pretrained(folder, seed=1)
    with pytest.raises(RecipeError, match="the pretrained weights of the trunk are not those that this run began with"):
        run(recipe)
    pretrained(folder, seed=0)
    assert run(recipe).of(Finished)[0].reason == "done"


@pytest.mark.parametrize("ema", [None, 0.9])
def test_the_saved_model_is_a_plain_one_that_says_the_same(tmp_path, trunk, ema):
    loop = loop_of(adapted(tmp_path, trunk, lora={"targets": "all", "dropout": 0.1}, trunk_lr=1e-2, ema=ema))
    loop.train()
    loop.model.eval()
    loop.model.save_pretrained(tmp_path / "now")
    saved = MultiTaskModel.from_pretrained(tmp_path / "now")
    plain = {n.replace(".base_layer", "") for n in loop.model.state_dict() if ".lora_" not in n}
    assert set(saved.state_dict()) == plain and saved.trunk.adapter_size == 0
    examples = loop.model.encode("intent", [{"text": s} for s in SENTENCES])
    with torch.no_grad():
        for model_first in (True, False):
            batch = saved.collate("intent", examples)
            one, other = (m.states(batch.inputs, first=model_first).values for m in (saved, loop.model))
            assert_close(one, other, rtol=0, atol=1e-5)
    for task in TASKS:
        rows = [{"tokens": s.split()} for s in SENTENCES] if task == "slots" else SENTENCES
        for a, b in zip(saved.predict(task, rows), loop.model.predict(task, rows), strict=True):
            assert {k: pytest.approx(v, abs=1e-5) if isinstance(v, float | dict) else v for k, v in a.items()} == b
    size = sum(p.numel() for p in saved.parameters())
    assert f"{size / 1e6:.1f} million parameters" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.slow
def test_the_saved_model_needs_no_peft(tmp_path, trunk):
    run(adapted(tmp_path, trunk, steps=1))
    code = (
        "import sys; sys.modules['peft'] = None\n"
        f"import unisono; print(unisono.load({str(tmp_path)!r}).predict('intent', ['Hi'])[0]['label'])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_stages_freeze_and_thaw_adapters_and_never_the_weights_below(tmp_path, trunk):
    stages = [{"freeze": ["trunk.0"], "until": {"steps": 2}}, {"freeze": ["trunk"], "until": {"steps": 2}}, {}]
    run(adapted(tmp_path, trunk, stages=stages, save_every=1, keep=9, warmup=0.0, schedule="constant"))

    def moved(first: int, last: int) -> set[str]:
        a, b = (checkpoints.load(tmp_path / "checkpoints" / f"step-{s:08d}").tensors["model"] for s in (first, last))
        assert all(is_head_or_adapter(name) for name in a)
        return {name for name in a if ".lora_" in name and not torch.equal(a[name], b[name])}

    every = {n for n in checkpoints.load(tmp_path / "checkpoints" / "step-00000006").tensors["model"] if ".lora_" in n}
    assert moved(1, 2) == {n for n in every if ".layer.1." in n}
    assert moved(2, 4) == set()
    assert moved(4, 6) == every


def test_a_task_that_has_left_is_held_by_a_plain_copy(tmp_path, trunk):
    tasks = {**TASKS, "intent": {**TASKS["intent"], "patience": 1, "when_done": "distill"}}
    recipe = adapted(tmp_path, trunk, tasks, steps=8, evaluate_every=1, trunk_lr=0.0, head_lr=0.0)  # nothing improves
    run(recipe)
    teacher = MultiTaskModel.from_pretrained(tmp_path / "teachers" / "intent")
    assert teacher.trunk.adapter_size == 0


def test_check_and_start_tell_how_many_learn_and_what_their_averages_take(tmp_path, trunk, monkeypatch):
    monkeypatch.setattr(sys.modules[check.__module__], "_peak_gigabytes", lambda: 0.0)
    recipe = adapted(tmp_path, trunk, ema=0.9)
    report = check(recipe)
    loop = loop_of(recipe)
    learning = sum(p.numel() for n, p in loop.model.named_parameters() if is_head_or_adapter(n))
    # Of two layers, query and value, of width 16 and rank 2: B A has 2 * (16 + 16) numbers.
    assert loop.model.trunk.adapter_size == 2 * 2 * 64
    assert report.learning == learning < report.parameters == sum(p.numel() for p in loop.model.parameters())
    assert report.gigabytes == pytest.approx(4e-9 * 3 * learning)
    started = run(recipe).of(Started)[0]
    assert (started.learning, started.parameters) == (report.learning, report.parameters)
    full = recipe.model_copy(update={"trunk": recipe.trunk.model_copy(update={"lora": None})})
    assert check(full).learning == check(full).parameters == report.parameters - 2 * 2 * 64


def test_what_a_recipe_cannot_mean_is_one_line(tmp_path, trunk, monkeypatch):
    with pytest.raises(RecipeError, match='"lora" needs "pretrained": random weights that stand still'):
        build({"trunk": {"layers": 1, "width": 16, "heads": 2, "lora": {}}, "tasks": TASKS})
    with pytest.raises(RecipeError, match="trunk.lora.targets"):
        adapted(tmp_path, trunk, lora={"targets": ["q_proj"]})
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(RecipeError) as caught:
        train(adapted(tmp_path, trunk))
    assert str(caught.value).startswith("trunk.lora: LoRA needs the package peft")
    assert str(caught.value).endswith('pip install "unisono[lora]"') and "\n" not in str(caught.value)
