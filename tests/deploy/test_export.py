"""A model of several tasks becomes a folder that is whole, says what it holds, and was checked against the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.test_cli import unisono
from tests.train.runs import ROWS, TASKS, small
from unisono import files
from unisono.deploy.errors import ExportError
from unisono.deploy.export import Done, Settings, export
from unisono.deploy.plan import plan
from unisono.model import MultiTaskModel
from unisono.prepare import build_model, read_tables
from unisono.recipe import Recipe
from unisono.runtime import Runtime
from unisono.stems import SequenceStem

SOME = {
    "intent": TASKS["intent"],
    "slots": {**TASKS["slots"], "head": {"crf": True}},
    "Encoder": {**TASKS["intent"], "head": {"pool": "mean"}},
    "en-de": TASKS["en-de"],
}
SENTENCES = ["wake me at seven", "play", "turn off the lights in the kitchen, please"]


def built(folder: Path, tasks: dict) -> tuple[Recipe, MultiTaskModel]:
    """A recipe and its model before training: what is exported need not have learned."""
    recipe = small(folder / "run", tasks)
    return recipe, build_model(recipe, read_tables(recipe, run=None)).eval()


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Recipe, MultiTaskModel]:
    return built(tmp_path_factory.mktemp("export"), SOME)


@pytest.fixture(scope="module")
def model(both) -> MultiTaskModel:
    return both[1]


@pytest.fixture(scope="module")
def done(both, tmp_path_factory) -> Done:
    recipe, model = both
    return export(model, tmp_path_factory.mktemp("done") / "exported", Settings(rows=12), source="run", recipe=recipe)


def same_answers(model: MultiTaskModel, runtime: Runtime, tasks: list[str]) -> None:
    for task in tasks:
        words = model.tasks[task].kind.words
        rows = [{"tokens": s.split()} for s in SENTENCES] if words else SENTENCES
        for wanted, found in zip(model.predict(task, rows), runtime.predict(task, rows), strict=True):
            assert {k: v for k, v in found.items() if k in ("label", "tags", "text")} == {
                k: v for k, v in wanted.items() if k in ("label", "tags", "text")
            }
            if "score" in wanted:
                assert found["score"] == pytest.approx(wanted["score"], abs=1e-5)


def test_what_cannot_be_exported_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "genes.csv").write_text("sequence,label\n" + "".join(f"ACGT{'GT' * i},{i % 2}\n" for i in range(9)))
    tasks = {
        "hidden": {"kind": "mask", "data": ROWS},
        "intent": TASKS["intent"],
        "gene": {"kind": "classify", "data": str(tmp_path / "genes.csv"), "columns": {"sequence": "sequence"}},
        "slots": TASKS["slots"],
    }
    _, model = built(tmp_path, tasks)
    model.stems["sequence"].__class__ = type("Other", (SequenceStem,), {})  # a stem that extends a known one
    with pytest.raises(ExportError) as refused:
        export(model, tmp_path / "out", Settings(), source="model")
    assert str(refused.value).splitlines() == [
        'task "hidden" (kind mask): Mask cannot be exported; leave it out: --task intent --task slots',
        'task "gene" (kind classify): input of the stem sequence cannot be exported; '
        "leave it out: --task intent --task slots",
    ]
    with pytest.raises(ExportError, match="gene.* cannot be exported; none of the tasks asked for can be exported$"):
        plan(model, ["gene"])
    assert not (tmp_path / "out").exists()


def test_one_file_refuses_heads_that_write(model, tmp_path):
    with pytest.raises(ExportError) as refused:
        export(model, tmp_path / "out.onnx", Settings(one_file=True), source="model")
    assert str(refused.value) == (
        'task "en-de" (kind translate): writes step by step, which takes a folder; '
        "leave it out: --task intent --task slots --task Encoder"
    )


def test_a_family_that_runs_padded_is_refused(model, monkeypatch):
    monkeypatch.setattr(model.trunk, "packs", False)
    with pytest.raises(ExportError, match="trunk family 'bert' does not run on packs, which exported graphs need"):
        plan(model)


def test_files_have_names_that_no_file_system_takes_for_one(model):
    names = [graph.name for graph in plan(model).graphs()]
    assert names == ["encoder", "intent", "slots", "Encoder-2", "en-de", "en-de.step"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(target="torch", precision="int8"), "a folder in fp32: leave out --precision"),
        (Settings(target="torch", one_file=True), "leave out --precision, --one-file"),
        (Settings(calibrate=8), "--calibrate is for --precision int8"),
    ],
)
def test_what_does_not_go_together_is_refused(model, tmp_path, settings, says):
    with pytest.raises(ExportError, match=says):
        export(model, tmp_path / "out", settings, source="model")


def test_what_is_no_export_is_not_replaced(model, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    (tmp_path / "other.onnx").write_text("dear")
    with pytest.raises(ExportError, match="exists and is no export"):
        export(model, tmp_path, Settings(), source="model")
    for name, says in (("letter.txt", "one file is named NAME.onnx"), ("other.onnx", "exists and is no export")):
        with pytest.raises(ExportError, match=says):
            export(model, tmp_path / name, Settings(one_file=True), source="model")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["dear", "dear"]


@pytest.mark.slow
def test_the_folder_is_vouched_for_by_its_manifest(done):
    told = json.loads((done.path / "unisono.json").read_text())
    named = {entry["file"]: entry["sha256"] for entry in told["graphs"].values()} | told["files"]
    assert {*named, "unisono.json", "README.md"} == {path.name for path in done.path.iterdir()} == set(done.files)
    assert all(files.sha256(done.path / name) == digest for name, digest in named.items())
    assert told["tasks"].keys() == SOME.keys() == told["metrics"].keys()
    assert told["tasks"]["en-de"]["step"] == "en-de.step" and "en-de.pieces.json" in told["files"]
    assert told["tasks"]["Encoder"]["graph"] == "Encoder-2" and told["tasks"]["Encoder"]["reads"] == "grid"


@pytest.mark.slow
def test_it_was_checked_on_held_out_rows(done):
    assert done.tasks.keys() == SOME.keys()
    for found in done.tasks.values():
        assert found.rows > 0 and not found.made_up and found.gap < 1e-5
    assert all(abs(score.drop) < 1e-6 for score in done.scores.values())
    json.dumps(done.document())


@pytest.mark.slow
def test_graphs_tell_nothing_of_the_machine_they_were_made_on(done):
    for path in done.path.glob("*.onnx"):
        content = path.read_bytes()
        assert b"site-packages" not in content and str(Path(__file__).parents[2]).encode() not in content


@pytest.mark.slow
def test_without_data_it_is_checked_on_made_up_texts(model, tmp_path):
    said: list[str] = []
    done = export(model, tmp_path / "out", Settings(["slots"], rows=9), source="model", told=said.append)
    assert done.tasks["slots"].made_up and done.tasks["slots"].rows == 9 and done.scores == {}
    assert "no recipe here: the graphs are checked on made-up rows, and no metric is looked at" in said
    assert "9 made-up rows" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
def test_a_graph_that_differs_is_not_written(model, tmp_path, monkeypatch):
    head = model.head("intent")
    honest = head.logits
    monkeypatch.setattr(head, "logits", lambda states: honest(states) + 2e-4)
    with pytest.raises(ExportError, match='^task "intent": its graph is 0.0002 away from the model, over 0.0001'):
        export(model, tmp_path / "out", Settings(["intent"], rows=3), source="model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_one_file_holds_all_that_a_folder_does(model, tmp_path):
    tasks = ["intent", "slots", "Encoder"]
    done = export(model, tmp_path / "all.onnx", Settings(tasks, rows=4, one_file=True), source="model")
    assert list(done.files) == ["all.onnx"] == [path.name for path in tmp_path.iterdir()]
    same_answers(model, Runtime.load(done.path, threads=1), tasks)
    export(model, tmp_path / "all.onnx", Settings(["slots"], rows=4, one_file=True), source="model")
    assert list(Runtime.load(done.path).tasks) == ["slots"]


@pytest.mark.slow
def test_packages_of_torch_are_checked_and_need_nothing_of_unisono(both, tmp_path):
    recipe, model = both
    done = export(
        model, tmp_path / "out", Settings(["intent", "en-de"], rows=4, target="torch"), source="run", recipe=recipe
    )
    assert {n for n in done.files if n.endswith(".pt2")} == {
        f"{n}.pt2" for n in ("encoder", "intent", "en-de", "en-de.step")
    }
    assert all(found.gap < 1e-5 for found in done.tasks.values()) and done.scores["en-de"].drop == 0
    package = torch.export.load(done.path / "intent.pt2").module()
    states = torch.randn(9, 16)
    found = package({"states": states, "index": torch.tensor([4])})["logits"]
    torch.testing.assert_close(found, model.head("intent").readout(states[4:5]))


@pytest.mark.slow
def test_variants_are_measured_side_by_side(both, tmp_path):
    recipe, model = both
    settings = Settings(["intent", "slots"], "int8", rows=12, max_drop=1.0, calibrate=4, compare=True)
    done = export(model, tmp_path / "out", settings, source="run", recipe=recipe)
    costs = {(cost.task, cost.variant): cost for cost in done.compared.costs}
    assert set(costs) == {(t, v) for t in settings.tasks for v in ("PyTorch", "fp32", "fp16", "int8")}
    assert all(cost.latency > 0 and cost.throughput > 0 for cost in costs.values())
    assert costs["intent", "int8"].size < costs["intent", "fp16"].size < costs["intent", "fp32"].size
    assert costs["slots", "fp32"].value == costs["slots", "PyTorch"].value == done.scores["slots"].model
    table = (tmp_path / "out" / "README.md").read_text()
    assert "timed in turn with 1 thread" in table and table.count("| int8 |") == 2
    assert json.loads((tmp_path / "out" / "unisono.json").read_text())["precision"] == "int8"


@pytest.mark.slow
def test_the_command(both, tmp_path):
    recipe, model = both
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(recipe.to_yaml())
    model.save_pretrained(tmp_path / "run" / "model")
    done = unisono("export", str(tmp_path / "run"), "--task", "slots", "--rows", "4", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["path"] == str(tmp_path / "run" / "exported") and told["tasks"]["slots"]["rows"] == 4
    assert set(Runtime.load(told["path"]).tasks) == {"slots"}
    done = unisono("export", str(tmp_path / "run"), "--task", "slot")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'error: this model has no task "slot"; did you mean "slots"?\n'
    done = unisono("export", str(tmp_path / "run"), "--precision", "int4")
    assert done.returncode == 2 and "'fp32', 'fp16', 'int8'" in done.stderr
