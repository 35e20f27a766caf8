"""The model: one forward path, rows in any order, and a folder that gives the same answers back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import unisono
from tests.train.runs import TASKS, run, small
from unisono.model import MultiTaskModel
from unisono.saved import ModelError

SENTENCES = ["Wake me up at seven.", "Play something by Queen, please!", "Hi"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run of three tasks, trained for a few steps."""
    folder = tmp_path_factory.mktemp("run")
    run(small(folder, steps=3, evaluate_every=3))
    return folder


@pytest.fixture
def model(folder) -> MultiTaskModel:
    return unisono.load(folder)


def test_a_saved_model_comes_back_with_the_same_answers(model, tmp_path):
    model.save_pretrained(tmp_path / "copy")
    again = MultiTaskModel.from_pretrained(tmp_path / "copy")
    for task in TASKS:
        rows = [s.split() for s in SENTENCES] if task == "slots" else SENTENCES
        rows = [{"tokens": r} for r in rows] if task == "slots" else rows
        assert model.predict(task, rows) == again.predict(task, rows)
    assert again.card == model.card


def test_the_folder_has_the_hugging_face_layout(folder):
    names = {p.name for p in (folder / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    config = json.loads((folder / "model" / "config.json").read_text())
    assert config["model_type"] == "unisono" and list(config["tasks"]) == list(TASKS)
    assert not list((folder / "model").rglob("*.bin")) and not list((folder / "model").rglob("*.pkl"))


def test_predictions_come_in_the_order_of_the_rows_and_do_not_depend_on_their_company(model):
    together = model.predict("intent", SENTENCES)
    alone = [model.predict("intent", [s])[0] for s in SENTENCES]
    apart = model.predict("intent", SENTENCES, tokens_per_batch=8)
    for other in (alone, apart):
        for a, b in zip(together, other, strict=True):
            assert a["label"] == b["label"]
            assert a["scores"] == pytest.approx(b["scores"], abs=1e-5)


def test_predict_all_gives_what_each_task_gives_alone(model):
    found = model.predict_all(SENTENCES)
    assert found[0] == model.predict_all(SENTENCES[0]) or found[0].keys() == TASKS.keys()
    for one, sentence in zip(found, SENTENCES, strict=True):
        assert one["intent"]["label"] == model.predict("intent", [sentence])[0]["label"]
        assert one["en-de"] == model.predict("en-de", [sentence])[0]
        assert len(one["slots"]["tags"]) == len(one["slots"]["words"])


def test_one_trunk_pass_serves_all_tasks(model, monkeypatch):
    calls = []
    forward = type(model.trunk).forward
    monkeypatch.setattr(
        type(model.trunk), "forward", lambda self, *a, **k: (calls.append(1), forward(self, *a, **k))[1]
    )
    model.predict_all(SENTENCES)
    assert len(calls) == 1


def test_labels_in_the_rows_are_not_looked_at(model):
    rows = [{"text": s, "label": "no such label"} for s in SENTENCES]
    assert model.predict("intent", rows) == model.predict("intent", SENTENCES)


def test_no_rows_no_predictions(model):
    assert model.predict("intent", []) == []
    assert model.predict_all([]) == []


@pytest.mark.parametrize(
    ("task", "rows", "says"),
    [
        ("intnet", ["a"], 'this model has no task "intnet"; did you mean "intent"?'),
        ("intent", [{"txt": "a"}], 'task "intent": row 0: "text" is missing or empty'),
        ("slots", ["   "], '"tokens" is missing or empty'),
    ],
)
def test_what_cannot_be_answered_is_explained(model, task, rows, says):
    with pytest.raises(ModelError) as caught:
        model.predict(task, rows)
    assert says in str(caught.value)


def test_a_damaged_or_absent_model_is_named(folder, tmp_path):
    with pytest.raises(ModelError, match="no model here"):
        unisono.load(tmp_path)
    model = unisono.load(folder)
    model.save_pretrained(tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        unisono.load(tmp_path / "m")
    weights.unlink()
    with pytest.raises(ModelError, match="is missing"):
        unisono.load(tmp_path / "m")


def test_the_pack_gives_the_loss_of_its_rows_alone(model):
    rows = [{"text": s, "label": model.head("intent").fitted["labels"][i]} for i, s in enumerate(SENTENCES)]
    examples = model.encode("intent", rows)
    with torch.no_grad():
        together = model(model.collate("intent", examples))
        alone = [model(model.collate("intent", [e])) for e in examples]
    assert together.units == 3
    assert_close(together.total, sum(a.total for a in alone), rtol=1e-5, atol=1e-5)


def test_a_head_that_looks_at_first_tokens_alone_loses_nothing(model):
    assert model.head("intent").first_only and not model.head("slots").first_only
    examples = model.encode("intent", [{"text": s} for s in SENTENCES])
    batch = model.collate("intent", examples)
    with torch.no_grad():
        whole, first = model.states(batch.inputs), model.states(batch.inputs, first=True)
    assert first.layout.lengths == (1, 1, 1)
    assert_close(first.values, whole.first(), rtol=1e-4, atol=1e-5)


def test_unlabelled_rows_change_no_gradient(model):
    labelled = model.encode("intent", [{"text": SENTENCES[0], "label": model.head("intent").fitted["labels"][0]}])
    free = model.encode("intent", [{"text": s} for s in SENTENCES[1:]])

    def gradients(examples: list) -> dict[str, torch.Tensor]:
        model.zero_grad()
        loss = model(model.collate("intent", examples))
        loss.mean().backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    one, many = gradients(labelled), gradients([*free, *labelled])
    for name in one:
        assert_close(one[name], many[name], rtol=1e-4, atol=1e-6)
