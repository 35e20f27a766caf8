"""Origin: a model that begins from another takes over what is alike, and nothing else."""

from __future__ import annotations

import pytest
import torch

import unisono
from tests.train.runs import TASKS, run, small
from unisono.origin import give, model_folder, teacher
from unisono.prepare import build_model, read_tables
from unisono.recipe import Recipe, RecipeError
from unisono.saved import ModelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("origin") / "run"
    run(small(out, {name: TASKS[name] for name in ("intent", "slots")}, steps=2, evaluate_every=2))
    return out


def built(tmp_path, tasks, trunk):
    recipe = Recipe.model_validate(small(tmp_path, tasks).model_dump(mode="json") | {"trunk": trunk})
    return build_model(recipe, read_tables(recipe, run=None))


def equal(one, other) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_tasks_that_are_alike_begin_with_their_heads_and_others_afresh(folder, tmp_path):
    tasks = {
        "intent": {**TASKS["intent"], "head": {"layers": 0}},
        "slots": TASKS["slots"],
        "again": TASKS["intent"],
        "en-de": TASKS["en-de"],
    }
    model, origin = built(tmp_path, tasks, {"pretrained": str(folder)}), unisono.load(folder)
    assert equal(model.trunk, origin.trunk) and equal(model.text.embedding, origin.text.embedding)
    assert model.text.key() == origin.text.key()
    assert equal(model.heads["slots"], origin.heads["slots"])
    assert not equal(model.heads["intent"], origin.heads["intent"])
    assert give(origin, model) == ["intent", "again", "en-de"]


def test_other_labels_need_another_head(folder, tmp_path):
    names = list(reversed(unisono.load(folder).head("intent").labels))
    tasks = {"intent": {**TASKS["intent"], "head": {"labels": names}}}
    model, origin = built(tmp_path, tasks, {"pretrained": str(folder)}), unisono.load(folder)
    assert not torch.equal(model.head("intent").readout.last.weight, origin.head("intent").readout.last.weight)


def test_layers_may_be_left_out_and_dropout_changed(folder, tmp_path):
    model = built(tmp_path, {"slots": TASKS["slots"]}, {"pretrained": str(folder), "keep": 1, "dropout": 0.25})
    assert model.trunk.encoder.config.hidden_dropout_prob == 0.25
    with pytest.raises(RecipeError, match=r"trunk.keep: 2 layers of 1 cannot be kept"):
        built(tmp_path, {"slots": TASKS["slots"]}, {"pretrained": str(folder), "keep": 2})


def test_folders_of_runs_and_models_are_told_from_others(folder, tmp_path):
    assert model_folder(folder) == model_folder(folder / "model") == folder / "model"
    assert model_folder(tmp_path) is None and model_folder(tmp_path / "nowhere") is None
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert model_folder(tmp_path) is None
    with pytest.raises(ModelError, match="no trained model here; train it first"):
        teacher(tmp_path)
    assert not any(p.requires_grad for p in teacher(folder).parameters())
