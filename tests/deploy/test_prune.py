"""Pruning: importance by its formula, and a smaller model that says what a masked one says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import unisono
from tests.train.runs import TASKS
from unisono.deploy.importance import importance
from unisono.deploy.prune import kept, measured_on, prune, save
from unisono.model import MultiTaskModel
from unisono.saved import ModelError
from unisono.teach import student
from unisono.train.run import open_recipe
from unisono.trunk import layers_of, sizes

SENTENCES = ["Wake me up at seven.", "Play something by Queen, please!", "Hi"]


@pytest.fixture(scope="module")
def rows(teacher):
    return measured_on(open_recipe(teacher), unisono.load(teacher), 5)


@pytest.fixture
def model(teacher) -> MultiTaskModel:
    return unisono.load(teacher)


def masked(folder: Path, heads, units) -> MultiTaskModel:
    """A model in which all other heads and units give nothing."""
    model = unisono.load(folder)
    for at, layer in enumerate(layers_of(model.trunk.encoder)):
        size = layer.attention.self.attention_head_size
        with torch.no_grad():
            out = layer.attention.output.dense.weight
            for head in set(range(out.shape[1] // size)) - set(heads[at]):
                out[:, head * size : (head + 1) * size] = 0
            gone = sorted(set(range(layer.output.dense.in_features)) - set(units[at]))
            layer.output.dense.weight[:, gone] = 0
    return model


def by_hand(model: MultiTaskModel, task: str, example) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """|∂L / ∂ξ| of one row, with masks that really are multiplied in."""
    counts = sizes(model.trunk.encoder)
    masks = [[torch.ones(n, requires_grad=True) for n in pair] for pair in counts]
    handles = []
    for layer, (of_heads, of_units) in zip(layers_of(model.trunk.encoder), masks, strict=True):
        size = layer.attention.self.attention_head_size
        for module, mask in (
            (layer.attention.output.dense, lambda m=of_heads, s=size: m.repeat_interleave(s)),
            (layer.output.dense, lambda m=of_units: m),
        ):
            handles.append(module.register_forward_pre_hook(lambda _, x, mask=mask: (x[0] * mask(),)))
    model(model.collate(task, [example])).total.backward()
    for handle in handles:
        handle.remove()
    return [m[0].grad.abs() for m in masks], [m[1].grad.abs() for m in masks]


def test_importance_is_the_mean_over_rows_of_what_a_mask_would_feel(model, rows):
    found = importance(model, rows)
    wanted = [[], []]
    for task, own in rows.items():
        each = [by_hand(model, task, example) for example in own]
        for part in (0, 1):
            sums = [torch.stack(layer).sum(0) for layer in zip(*(one[part] for one in each), strict=True)]
            wanted[part].append([x / x.norm() for x in sums])
    for part in (0, 1):
        means = [torch.stack(layer).mean(0) for layer in zip(*wanted[part], strict=True)]
        for got, mean in zip(found[part], means, strict=True):
            assert_close(got, mean, rtol=1e-3, atol=1e-5)


def test_a_pruned_model_says_what_a_masked_one_says_and_comes_back(model, teacher, rows, tmp_path):
    heads, units = kept(importance(model, rows), 0.5, 0.3)
    reference = masked(teacher, heads, units)
    before = sum(p.numel() for p in model.parameters())
    done = prune(model, heads=0.5, units=0.3, examples=rows)
    assert done.heads == [len(h) for h in heads] and done.units == [len(u) for u in units]
    assert sum(done.heads) == 4 and sum(done.units) == round(0.3 * 4 * 64)
    assert done.parameters == (before, sum(p.numel() for p in model.parameters()))
    model.save_pretrained(tmp_path / "small")
    again = unisono.load(tmp_path / "small")
    for task, own in rows.items():
        batch = model.collate(task, own)
        assert_close(model.states(batch.inputs).values, reference.states(batch.inputs).values, rtol=1e-4, atol=1e-5)
        assert_close(model.states(batch.inputs, first=True).values, reference.states(batch.inputs, first=True).values)
        assert torch.equal(model.states(batch.inputs).values, again.states(batch.inputs).values)
    config = json.loads((tmp_path / "small" / "config.json").read_text())["trunk"]
    assert config["kept_heads"] == done.heads and config["kept_units"] == done.units


def test_what_gives_nothing_goes_first_and_nothing_changes(model, rows):
    with torch.no_grad():
        for at, layer in enumerate(layers_of(model.trunk.encoder)):
            layer.output.dense.weight[:, [3, 10 + at]] = 0
            if at == 2:
                layer.attention.output.dense.weight[:, 8:] = 0
    heads, units = kept(importance(model, rows), 7 / 8, 1 - 8 / 256)
    assert heads == [[0, 1], [0, 1], [0], [0, 1]]
    assert all({3, 10 + at}.isdisjoint(own) and len(own) == 62 for at, own in enumerate(units))
    said = model.predict_all(SENTENCES)
    prune(model, heads=7 / 8, units=1 - 8 / 256, examples=rows)
    for one, other in zip(said, model.predict_all(SENTENCES), strict=True):
        assert one["slots"] == other["slots"] and one["en-de"] == other["en-de"]
        assert one["intent"]["scores"] == pytest.approx(other["intent"]["scores"], abs=1e-5)


def test_each_layer_keeps_its_best_head_however_few_are_left():
    scores = [torch.tensor([0.1, 0.2]), torch.tensor([0.9, 0.8]), torch.tensor([0.5, 0.5])]
    assert kept((scores, scores), 0.0, 4 / 6) == ([[1], [0], [0]], [[1], [0, 1], [0]])


def test_layers_go_before_importance_is_measured_and_a_pruned_model_may_be_pruned_again(model, rows):
    first = prune(model, layers=2)
    assert first.layers == (4, 2) and first.rows == {} and first.units == [64, 64]
    prune(model, units=0.5, examples=rows)
    again = prune(model, layers=[1], heads=0.5, examples=rows)
    assert again.layers == (2, 1) and again.heads == [1] and len(model.trunk.layers) == 2
    model.predict_all(SENTENCES)
    with pytest.raises(ModelError, match="no layer 4"):
        prune(model, layers=[4])


def test_its_folder_is_evaluated_and_taught_like_a_run(model, teacher, rows, tmp_path):
    prune(model, units=0.5, examples=rows)
    out = tmp_path / "pruned"
    save(model, open_recipe(teacher), out)
    assert unisono.evaluate(out, tasks=["intent"])["intent"].split == "test"
    made = student(out, [str(teacher)])
    assert made.folder.name == "pruned-distilled" and made.trunk.pretrained == str(out / "model")
    with pytest.raises(ModelError, match="holds something already; name another folder"):
        save(model, open_recipe(teacher), out)
    assert set(made.tasks) == set(TASKS)
