"""Exits: who leaves says what the exit says, who stays what the model says, and layers above have less to do."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree

import pytest
import torch

import unisono
from tests.deploy.test_commands import unisono as command
from unisono.deploy import exits
from unisono.deploy.exits import Early, load, train
from unisono.deploy.leaving import leave
from unisono.heads.readout import pool
from unisono.packed import Layout, Packed
from unisono.saved import ModelError
from unisono.train.run import open_recipe
from unisono.trunk import layers_of

WORDS = ["wake", "me", "up", "play", "something", "by", "queen", "please", "at", "seven", "tomorrow", "in", "berlin"]
ROWS = [{"text": " ".join(WORDS[: 1 + at % 9] + WORDS[at % 5 : at % 7])} for at in range(24)]


@pytest.fixture(scope="module")
def run(teacher, tmp_path_factory):
    """The teacher's run with exits of one task."""
    folder = tmp_path_factory.mktemp("exits") / "run"
    shutil.copytree(teacher, folder)
    found = leave(folder, open_recipe(folder), task="intent", layers=[1, 3], rounds=1)
    return folder, found


def early(run, confident: float) -> Early:
    return load(run[0], confident=confident)


def said(model, rows=ROWS):
    return model.predict("intent", rows)


def test_who_never_leaves_gets_the_models_answer_and_the_model_is_as_it_was(run, teacher):
    plain = said(unisono.load(teacher))
    for one, other in zip(said(early(run, 1.01)), plain, strict=True):
        assert one.pop("layers") == 4
        assert one["label"] == other["label"] and one["scores"] == pytest.approx(other["scores"], abs=1e-5)
    before, after = (unisono.load(folder).state_dict() for folder in (teacher, run[0]))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_who_leaves_gets_the_exits_answer(run):
    model = early(run, 0.0)
    found = said(model)
    assert {p["layers"] for p in found} == {1}
    batch = model.collate("intent", list(model.encode("intent", ROWS)))
    _, layers = model.trunk(model.embed(batch.inputs), batch.inputs.types, layers=True)
    exit_ = model.exits["intent"].heads[1]
    wanted = exit_.predict(Packed(pool(layers[1], "mean"), Layout([1] * len(ROWS))), {})
    for one, other in zip(found, batch.restore(wanted), strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)


def test_a_row_leaves_at_the_first_exit_that_is_sure_whoever_is_with_it(run):
    sure = sorted(p["score"] for p in said(early(run, 0.0)))
    model = early(run, sure[len(sure) // 2])
    found = said(model)
    assert {p["layers"] for p in found} > {1}
    for row, one in zip(ROWS, found, strict=True):
        (alone,) = said(model, [row])
        assert alone["layers"] == one["layers"] and alone["scores"] == pytest.approx(one["scores"], abs=1e-5)
        assert one["layers"] == 4 or one["score"] >= model.confident


def test_layers_above_get_only_the_tokens_of_those_who_stay(run, monkeypatch):
    model = early(run, 0.0)
    model.confident = sorted(p["score"] for p in said(model))[len(ROWS) // 2]
    seen = []
    for layer in layers_of(model.trunk.encoder):
        layer.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[1]))
    found = said(model)
    lengths = [model.length("intent", e) for e in model.encode("intent", ROWS)]
    stay = [sum(n for n, p in zip(lengths, found, strict=True) if p["layers"] > at) for at in (0, 1, 2, 3)]
    assert seen == [n for n in stay if n] and stay[1] < stay[0]


def test_an_exit_learns_labels_from_what_it_sees(run, monkeypatch):
    last = early(run, 0.0).head("intent")
    seen = torch.randn(200, 16)
    label = (seen[:, 0] > 0).long() + 2 * (seen[:, 1] > 0).long()
    monkeypatch.setattr(exits, "RATE", 1e-2)
    monkeypatch.setattr(exits, "EPOCHS", 40)
    learned = exits._taught(last, seen, label)
    assert (learned.logits(exits._alone(seen)).argmax(-1) == label).float().mean() > 0.9
    assert torch.equal(last.readout.last.weight, early(run, 0.0).head("intent").readout.last.weight)


def test_exits_see_their_layers_and_leave_out_rows_without_a_label(run):
    model = early(run, 0.0)
    rows = [{**row, "label": model.head("intent").labels[at % 3]} for at, row in enumerate(ROWS[:6])]
    encoded = model.encode("intent", [*rows, {"text": "play it"}])
    known = [e for e in encoded if e["label"][0] >= 0]
    assert len(known) == 6
    pooled, label = exits._pooled(model, "intent", known, (1, 3), lambda *_: None)
    alone = [exits._pooled(model, "intent", [e], (1, 3), lambda *_: None) for e in known]
    order = label.argsort()
    torch.testing.assert_close(pooled[order].sum(0), torch.cat([p for p, _ in alone]).sum(0), rtol=1e-4, atol=1e-4)
    trained = train(model, "intent", encoded, layers=[2])
    again = train(model, "intent", known, layers=[2])
    for name, tensor in trained.heads[2].state_dict().items():
        assert torch.equal(tensor, again.heads[2].state_dict()[name])


def test_the_curve_tells_what_was_measured(run):
    folder, found = run
    assert (
        found == {**json.loads((folder / "model" / "exits" / "intent" / "exits.json").read_text()), "exits": [1, 3]}
        or found
    )
    kept = json.loads((folder / "model" / "exits" / "intent" / "exits.json").read_text())
    assert kept["layers"] == [1, 3] and kept["points"] == found["points"]
    first, last = found["points"][0], found["points"][-1]
    assert first["layers"] == 1 and first["left"] == {"1": 1.0} and last["layers"] == 4
    assert last["score"] == found["whole"]["score"] and found["metric"] == "accuracy" and found["split"] == "test"
    assert [p["layers"] for p in found["points"]] == sorted(p["layers"] for p in found["points"])


def test_what_has_no_exits_is_said(run, teacher):
    with pytest.raises(ModelError, match='task "slots": exits are for tasks of kind classify'):
        leave(teacher, open_recipe(teacher), task="slots")
    with pytest.raises(ModelError, match="exits stand after layers 1 to 3 of 4.*got 4"):
        leave(teacher, open_recipe(teacher), task="intent", layers=[4])
    with pytest.raises(ModelError, match="no task has exits; train some with: unisono exits"):
        load(teacher, confident=0.9)
    broken = shutil.copytree(run[0], run[0].with_name("broken"))
    (broken / "model" / "exits" / "intent" / "exits.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="train the exits again"):
        load(broken, confident=0.9)


def test_the_commands(teacher, tmp_path):
    folder = shutil.copytree(teacher, tmp_path / "run")
    done = command("exits", folder, "--rows", 6, "--layers", "2")
    assert done.exit_code == 0, done.output
    assert "leaving after layers 2; 6 test rows" in done.stdout and "no exits" in done.stdout
    picture = ElementTree.parse(folder / "exits-intent.svg").getroot()
    assert picture.tag.endswith("svg") and len(list(picture.iter("{http://www.w3.org/2000/svg}circle"))) == 9
    done = command("predict", folder, "Wake me up", "--task", "intent", "--confident", 0, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)[0]["intent"]["layers"] == 2, done.output
    assert command("predict", folder, "Wake me up", "--confident", 0.5).exit_code == 1
