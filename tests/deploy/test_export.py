"""A model of several tasks becomes a folder that is whole, says what it holds, and was checked against the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.runs import ROWS, TASKS, run, small
from unisono import api, files
from unisono.deploy.errors import ExportError
from unisono.deploy.export import Done, Settings, export
from unisono.model import MultiTaskModel
from unisono.prepare import build_model, read_tables
from unisono.train.run import open_recipe

SOME = {
    "intent": TASKS["intent"],
    "slots": {**TASKS["slots"], "head": {"crf": True}},
    "Encoder": {**TASKS["intent"], "head": {"pool": "mean"}},
    "en-de": TASKS["en-de"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    run(small(folder, SOME, steps=4, evaluate_every=4))
    return folder


@pytest.fixture(scope="module")
def model(trained) -> MultiTaskModel:
    return api.load(trained)


@pytest.fixture(scope="module")
def done(trained, model) -> Done:
    return export(model, trained / "exported", Settings(rows=12), source="run", recipe=open_recipe(trained))


def test_the_folder_is_vouched_for_by_its_manifest(done):
    told = json.loads((done.folder / "unisono.json").read_text())
    named = {entry["file"]: entry["sha256"] for entry in told["graphs"].values()} | told["files"]
    assert {*named, "unisono.json", "README.md"} == {path.name for path in done.folder.iterdir()}
    assert all(files.sha256(done.folder / name) == digest for name, digest in named.items())
    assert told["tasks"].keys() == SOME.keys()
    assert told["tasks"]["en-de"]["step"] == "en-de.step" and "en-de.pieces.json" in told["files"]
    assert told["tasks"]["Encoder"]["graph"] == "Encoder-2" and told["tasks"]["Encoder"]["reads"] == "grid"


def test_it_was_checked_on_held_out_rows(done):
    assert done.tasks.keys() == SOME.keys()
    for found in done.tasks.values():
        assert found.rows > 0 and not found.made_up and found.gap < 1e-5


def test_graphs_tell_nothing_of_the_machine_they_were_made_on(done):
    for path in done.folder.glob("*.onnx"):
        content = path.read_bytes()
        assert b"site-packages" not in content and str(Path.home()).encode() not in content


def test_without_data_it_is_checked_on_made_up_texts(model, tmp_path):
    said: list[str] = []
    done = export(model, tmp_path / "out", Settings(["slots"], rows=9), source="model", told=said.append)
    assert done.tasks["slots"].made_up and done.tasks["slots"].rows == 9
    assert "no recipe here: the graphs are checked on made-up texts" in said
    assert "9 made-up texts" in (tmp_path / "out" / "README.md").read_text()


def test_what_cannot_be_exported_is_refused_with_the_way_out(tmp_path):
    tasks = {"hidden": {"kind": "mask", "data": ROWS}, "intent": TASKS["intent"], "slots": TASKS["slots"]}
    recipe = small(tmp_path / "run", tasks)
    model = build_model(recipe, read_tables(recipe, run=None))
    with pytest.raises(ExportError) as refused:
        export(model, tmp_path / "out", Settings(), source="model")
    assert str(refused.value) == (
        'task "hidden" (kind mask): Mask cannot be exported; leave it out: --task intent --task slots'
    )
    assert not (tmp_path / "out").exists()


def test_a_family_that_runs_padded_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model.trunk, "packs", False)
    with pytest.raises(ExportError, match="trunk family 'bert' does not run on packs, which exported graphs need"):
        export(model, tmp_path / "out", Settings(), source="model")


def test_a_graph_that_differs_is_not_written(model, tmp_path, monkeypatch):
    head = model.head("intent")
    honest = head.logits
    monkeypatch.setattr(head, "logits", lambda states: honest(states) + 2e-4)
    with pytest.raises(ExportError, match='^task "intent": its graph is 0.0002 away from the model, over 0.0001'):
        export(model, tmp_path / "out", Settings(["intent"], rows=3), source="model")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_export_is_not_replaced(model, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ExportError, match="exists and is no export"):
        export(model, tmp_path, Settings(), source="model")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
