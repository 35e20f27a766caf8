"""Bundles: tasks that label the same rows share a pass, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.train.runs import TRUNK, run
from tests.train.test_balancing import loop_of, of_tasks, reference
from tests.train.test_loop import _stop_after, tensors
from unisono.balance import make as balance_make
from unisono.balance.base import Seen
from unisono.model import MultiTaskModel
from unisono.recipe import Recipe, RecipeError, build
from unisono.train.bundles import NONE
from unisono.train.events import Noted, Stepped

COLOURS, SIZES = ("red", "green", "blue"), ("small", "large")


def write_rows(folder: Path, count: int = 40) -> Path:
    """Rows with three labels, each missing here and there, and some rows without any."""
    lines = []
    for i in range(count):
        colour, size = COLOURS[i % 3], SIZES[i % 2]
        line: dict[str, Any] = {"text": f"a {size} {colour} thing, number {i}" + " indeed" * (i % 5)}
        line["colour"] = None if i % 4 == 0 else colour
        line["size"] = None if i % 5 == 0 else size
        line["number"] = None if i % 10 < 3 else float(i % 7)
        lines.append(json.dumps(line) + "\n")
    path = folder / "rows.jsonl"
    path.write_text("".join(lines))
    return path


def three(folder: Path, balance: object = "sum", *, mix: object = None, dropout: float = 0.0, **more: Any) -> Recipe:
    """Three tasks over the rows of one file."""
    data = {"path": str(write_rows(folder)), "ratio": {"validation": 0.1}}
    tasks: dict[str, Any] = {
        "colour": {"kind": "classify", "data": data, "columns": {"label": "colour"}},
        "size": {"kind": "classify", "data": data, "columns": {"label": "size"}},
        "number": {"kind": "regress", "data": data, "columns": {"label": "number"}},
    }
    for name, task in tasks.items():
        task.update({"head": {"dropout": dropout}, **more.pop(name, {})})
    settings = {"steps": 6, "tokens_per_step": 150, "trunk_lr": 1e-3, "head_lr": 1e-3, "evaluate_every": 3}
    recipe: dict[str, Any] = {
        "run": str(folder / "run"), "cache": str(folder / "cache"), "trunk": {**TRUNK, "dropout": dropout},
        "tasks": tasks, "balance": balance, "train": {**settings, **more.pop("train", {})}, **more,
    }  # fmt: skip
    return build(recipe if mix is None else {**recipe, "mix": mix})


def test_one_pass_serves_all_tasks_and_each_row_has_the_labels_that_it_has(tmp_path):
    loop = loop_of(three(tmp_path))
    rows = loop.draw()
    assert list(rows) == ["colour+size+number"]
    (one,) = loop._passes(rows)
    ids = [batch.inputs for batch in one.batches]
    assert [b.task for b in one.batches] == ["colour", "size", "number"] and ids[0] is ids[1] is ids[2]
    numbers = loop.bundles["colour+size+number"].numbers(rows["colour+size+number"])
    units = loop._units([one])
    for task, own in numbers.items():
        sources = loop.examples[task]["train"].source
        known = [loop.tables.rows[task]["train"][int(sources[n])]["label"] is not None for n in own if n != NONE]
        assert units[task] == sum(known) > 0
    assert len({tuple(n) for n in zip(*numbers.values(), strict=True)}) == len(rows["colour+size+number"])


def test_rows_without_any_label_are_never_drawn_and_all_others_once_an_epoch(tmp_path):
    loop = loop_of(three(tmp_path, train={"steps": None, "epochs": 1}))
    bundle = loop.bundles["colour+size+number"]
    labelled = np.zeros(len(bundle.costs), bool)
    for column, task in enumerate(bundle.tasks):
        rows, source = loop.tables.rows[task]["train"], loop.examples[task]["train"].source
        for at, number in enumerate(bundle.examples[:, column]):
            labelled[at] |= number != NONE and rows[int(source[number])]["label"] is not None
    assert 0 < labelled.sum() < len(labelled) and set(bundle.rows) == set(np.flatnonzero(labelled))
    drawn: list[int] = []
    while len(drawn) < len(bundle.rows):
        drawn += loop.draw()[bundle.key]
    assert set(drawn[: len(bundle.rows)]) == set(bundle.rows)


@pytest.mark.parametrize("micro_tokens", [None, 40])
@pytest.mark.parametrize("balance", ["sum", "uncertainty", "gls", "upgrad", "graddrop"])
def test_a_shared_pass_gives_the_gradients_of_passes_apart(tmp_path, balance, micro_tokens):
    loop = loop_of(three(tmp_path, balance, train={"micro_tokens": micro_tokens}))
    rows = loop.draw()
    true = reference(loop, rows)
    _, passes, found = loop._forward_backward(rows)
    assert len(passes) == 1 if micro_tokens is None else len(passes) > 2
    loop._sum_gradients()
    for name, p in loop.model.named_parameters():
        if p.grad is None:
            continue
        if name.startswith("heads."):
            task = name.split(".")[1]
            scale = found.weights[task] if balance in ("uncertainty", "gls") else 1.0
            assert_close(p.grad, scale * true[task][name], rtol=2e-3, atol=1e-5)
        elif balance != "graddrop":
            parts = [found.weights[t] * g[name] for t, g in true.items() if name in g]
            assert_close(p.grad, torch.stack(parts).sum(0), rtol=2e-3, atol=1e-5)


def at_features(loop: Any, rows: dict[str, list[int]]) -> torch.Tensor:
    """(T, T) products of the tasks' gradients by the trunk's output, one row of text after another."""
    (key,) = rows
    numbers = loop.bundles[key].numbers(rows[key])
    batches = {t: loop.model.collate(t, [loop.examples[t]["train"][n] for n in own]) for t, own in
               of_tasks(loop, rows).items()}  # fmt: skip
    units = {t: loop.model.head(t).units(b.targets) for t, b in batches.items()}
    grads: dict[str, list[torch.Tensor]] = {t: [] for t in numbers}
    for at in range(len(rows[key])):
        known = next(t for t, own in numbers.items() if own[at] != NONE)
        example = loop.examples[known]["train"][numbers[known][at]]
        for task, own in numbers.items():
            ids = loop.model.collate(known, [example])
            states = loop.model.states_of([ids])
            leaf = states.like(states.values.detach().requires_grad_())
            if own[at] != NONE:
                batch = loop.model.collate(task, [loop.examples[task]["train"][own[at]]])
                (loop.model.loss_of(leaf, batch).total / units[task]).backward()
            grads[task].append((torch.zeros_like(leaf.values) if leaf.values.grad is None else leaf.values.grad)[0])
    loop.model.zero_grad(set_to_none=True)
    matrix = torch.stack([torch.cat([g.flatten() for g in own]) for own in grads.values()]).double()
    return matrix @ matrix.T


@pytest.mark.parametrize("micro_tokens", [None, 40])
@pytest.mark.parametrize("method", ["upgrad", "pcgrad", "mgda", "cagrad", "config"])
def test_at_features_the_weights_are_those_of_the_gramian_there(tmp_path, method, micro_tokens):
    loop = loop_of(three(tmp_path, {"method": method, "scope": "features"}, train={"micro_tokens": micro_tokens}))
    rows = loop.draw()
    gramian, true = at_features(loop, rows), reference(loop, rows)
    _, _, found = loop._forward_backward(rows)
    assert found.gramians is not None
    assert_close(found.gramians["features"], gramian, rtol=2e-3, atol=1e-6)
    if method != "pcgrad":  # which draws an order
        slow = balance_make.make(method, 3)
        assert slow is not None
        weights = slow.weights(Seen((0, 1, 2), torch.ones(3, dtype=torch.float64), gramian=gramian))
        assert_close(torch.tensor(list(found.weights.values())).double(), weights, rtol=2e-2, atol=1e-3)
    loop._sum_gradients()
    for name, p in loop.model.named_parameters():
        if name.startswith("heads."):
            assert_close(p.grad, true[name.split(".")[1]][name], rtol=2e-3, atol=1e-5)
        elif p.grad is not None:
            parts = [found.weights[t] * g[name] for t, g in true.items() if name in g]
            assert_close(p.grad, torch.stack(parts).sum(0), rtol=2e-3, atol=1e-5)


def test_of_several_passes_the_second_look_has_the_dropout_of_the_first(tmp_path, monkeypatch):
    loop = loop_of(three(tmp_path, {"method": "upgrad", "scope": "features"}, dropout=0.3, train={"micro_tokens": 40}))
    seen: list[torch.Tensor] = []
    states_of = MultiTaskModel.states_of

    def watched(self: MultiTaskModel, batches: Any) -> Any:
        states = states_of(self, batches)
        seen.append(states.values.detach().clone())
        return states

    monkeypatch.setattr(MultiTaskModel, "states_of", watched)
    loop.model.train()
    _, passes, _ = loop._forward_backward(loop.draw())
    count = len(passes)
    assert count > 2 and len(seen) == 2 * count
    assert all(torch.equal(a, b) for a, b in zip(seen[:count], seen[count:], strict=True))


@pytest.mark.parametrize("balance", ["sum", {"method": "upgrad", "scope": "features"}])
def test_a_shared_run_cut_off_ends_in_the_same_bits(tmp_path, monkeypatch, balance):
    stages = [{"tasks": ["colour", "number"], "until": {"steps": 3}}, {"tasks": ["colour", "size", "number"]}]
    more = {"dropout": 0.1, "stages": stages, "train": {"save_every": 1}}
    folders = {name: tmp_path / name for name in ("whole", "cut")}
    for folder in folders.values():
        folder.mkdir()
    whole = run(three(folders["whole"], balance, **more))
    assert {tuple(e.rows) for e in whole.of(Stepped)} == {("colour", "number"), ("colour", "size", "number")}
    for stop in (2, 4):
        _stop_after(stop, monkeypatch)
        run(three(folders["cut"], balance, **more))
        monkeypatch.undo()
    run(three(folders["cut"], balance, **more))
    a, b = tensors(folders["whole"] / "run"), tensors(folders["cut"] / "run")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_sharing_is_told_and_can_be_left(tmp_path):
    told = run(three(tmp_path))
    loop = loop_of(three(tmp_path))
    line = f"colour, size, number label the same {len(loop.bundles['colour+size+number'].rows)} rows: one pass"
    assert any(line in e.text for e in told.of(Noted))
    loop = loop_of(three(tmp_path, mix={"share_rows": False}))
    assert set(loop.draw()) == {"colour", "size", "number"}


@pytest.mark.parametrize(
    ("more", "bundles"),
    [
        ({"size": {"repeat": 2.0}}, ["colour+number", "size"]),
        ({"size": {"max_length": 16}}, ["colour+number", "size"]),
        ({"mix": {"weights": {"colour": 1, "size": 1, "number": 3}}}, ["colour+size", "number"]),
    ],
)
def test_tasks_of_which_the_recipe_wants_more_are_drawn_by_themselves(tmp_path, more, bundles):
    loop = loop_of(three(tmp_path, **more))
    assert [b.key for b in loop.bundles.split(loop.examples)] == bundles
    share = loop.shares()
    assert list(share) == bundles and sum(share.values()) == pytest.approx(1)


def test_tasks_with_fewer_rows_of_the_same_file_share_those_they_have(tmp_path):
    recipe = three(tmp_path)
    raw = recipe.model_dump(mode="json")
    raw["tasks"]["size"]["data"]["limit"] = {"train": 10}
    loop = loop_of(build(raw))
    bundle = loop.bundles["colour+size+number"]
    assert (bundle.examples[:, 1] != NONE).sum() == 10 and len(bundle.costs) == 36
    lengths = loop.examples["size"]["train"].lengths
    there = bundle.examples[:, 1] != NONE
    assert np.array_equal(bundle.costs[there], lengths[bundle.examples[there, 1]])
    rows = loop.draw()
    true = reference(loop, rows)
    loop._forward_backward(rows)
    loop._sum_gradients()
    assert_close(
        loop.model.heads["size"].readout.last.weight.grad, true["size"]["heads.size.readout.last.weight"],
        rtol=2e-3, atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("balance", "more", "line"),
    [
        ({"method": "upgrad", "scope": "features"}, {"size": {"repeat": 2.0}}, "colour, number | size"),
        ({"method": "modo", "scope": "features"}, {}, "scope: features is not for this method"),
        (
            "sum",
            {"mix": {"share_rows": True, "weights": {"colour": 1, "size": 2, "number": 3}}},
            "mix.share_rows: no two",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused_in_one_line(tmp_path, balance, more, line):
    with pytest.raises(RecipeError) as error:
        loop_of(three(tmp_path, balance, **more))
    assert line in str(error.value) and "\n" not in str(error.value)
