"""Tasks of images, sounds, sequences and tables, alone and beside texts: an export answers what its model answers."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.conftest import Shipped, in_torch
from tests.runtime.test_runtime import BLOCKED
from tests.runtime.twins import alike
from tests.train.runs import TASKS, TRUNK
from unisono import cli, together
from unisono.ask import Takes
from unisono.deploy.errors import ExportError
from unisono.deploy.export import Done, Settings, export
from unisono.deploy.plan import plan
from unisono.model import MultiTaskModel
from unisono.prepare import build_model, read_tables
from unisono.recipe import Recipe, build
from unisono.runtime import BadInput, Question, Runtime, Unanswerable
from unisono.serve.faces import face_of, face_of_export
from unisono.sounds import write_wav

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("soundfile")

WRITES = {"layers": 1, "heads": 2, "width": 16, "vocabulary": 300, "max_length": 12, "beams": 2}
ASKED = ["what is it?", "how many of them are there in this picture, and of what colour?", "why", "and the last one?"]


def write(folder: Path) -> Recipe:
    """Rows with an input of every kind, and a recipe of tasks over them."""
    draw, rows = np.random.default_rng(0), []
    for i in range(12):
        Image.fromarray(draw.integers(0, 255, (9 + 8 * (i % 3), 12 + 5 * (i % 2), 3), np.uint8)).save(
            folder / f"{i}.png"
        )
        write_wav(folder / f"{i}.wav", draw.normal(0, 0.1, 400 + 300 * (i % 4)), (4000, 8000)[i % 2])
        rows.append(
            {
                "image": f"{i}.png", "audio": f"{i}.wav", "label": "ab"[i % 2], "number": float(i),
                "colour": "rgb"[i % 3], "size": i * 1.5 if i % 4 else None, "molecule": "CCO" + "N" * (i % 5) + "(=O)C",
                "text": ASKED[i % 4], "question": ASKED[i % 4], "reply": f"{i % 3} of them",
                "pair": "a cat" if i % 2 else None,
            }
        )  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"path": str(folder / "rows.jsonl")}
    cells = ["size", "colour"]

    def classify(**columns: Any) -> dict[str, Any]:
        return {"kind": "classify", "data": data, "columns": {**columns, "label": "label"}}

    tasks = {
        "picture": {**classify(image="image"), "head": {"pool": "mean"}},
        "molecule": {"kind": "regress", "data": data, "columns": {"sequence": "molecule", "label": "number"}},
        "record": classify(table=cells),
        "sound": classify(audio="audio"),
        "fused": classify(text="text", image="image", audio="audio", sequence="molecule", table=cells),
        "reply": {
            "kind": "answer", "data": data, "head": WRITES,
            "columns": {"question": "question", "image": "image", "answer": "reply"},
        },
        "caption": {
            "kind": "caption", "data": data, "head": WRITES,
            "columns": {"image": "image", "text": "text", "pair": "pair", "caption": "reply"},
        },
        "alike": {"kind": "match", "data": data, "columns": {"text": "text", "image": "image"}, "head": {"size": 8}},
        "intent": TASKS["intent"],
        "slots": TASKS["slots"],
    }  # fmt: skip
    stems = {
        "image": {"patch": 4, "longest": 16, "convolutions": 1, "channels": 4},
        "audio": {"rate": 4000, "bands": 8, "seconds": 1, "channels": 3},
        "sequence": {"max_length": 40},
    }
    trunk = {**TRUNK, "max_length": 256}
    return build(
        {"run": str(folder / "run"), "trunk": trunk, "stems": stems, "tasks": tasks, "max_bad_rows": 1.0}
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("mixed")


@pytest.fixture(scope="module")
def recipe(folder) -> Recipe:
    return write(folder)


@pytest.fixture(scope="module")
def model(recipe) -> MultiTaskModel:
    """Before training: its weights are as good as others to be compared."""
    return build_model(recipe, read_tables(recipe, run=None)).eval()


@pytest.fixture(scope="module")
def done(model, recipe, folder) -> Done:
    return export(model, folder / "exported", Settings(rows=4), source="run", recipe=recipe)


@pytest.fixture(scope="module", params=["in PyTorch", pytest.param("exported", marks=pytest.mark.slow)])
def shipped(request, model) -> Shipped:
    if request.param == "exported":
        return Shipped(model, Runtime.load(request.getfixturevalue("done").path, threads=1))
    return in_torch(model)


@pytest.fixture(scope="module")
def rows(folder) -> dict[str, list[Any]]:
    image, sound = ([str(folder / f"{i}.{end}") for i in range(6)] for end in ("png", "wav"))
    content = {"path": None, "bytes": Path(image[1]).read_bytes()}
    cells = [{"size": 3, "colour": "r"}, {"colour": "of another kind"}, {"size": "1.5", "colour": None}]
    return {
        "picture": [*image, {"image": content}],
        "molecule": ["CCO", "C(=O)NNN", "Brc1ccccc1" * 60],
        "record": [{"table": row} for row in cells],
        "sound": [*sound, {"audio": Path(sound[2]).read_bytes()}],
        "fused": [
            {"text": ASKED[0], "image": image[0], "audio": sound[0], "sequence": "CCO", "table": cells[0]},
            {"image": image[1], "sequence": "CN"}, {"audio": sound[3]}, {"table": cells[1], "text": ASKED[1] * 40},
            {"text": ASKED[2], "pair": ASKED[3], "image": image[2]},
        ],
        "reply": [
            {"question": ASKED[1], "image": image[0]}, {"question": ASKED[0], "context": ASKED[1], "image": image[3]},
            {"image": image[2]}, {"question": ASKED[2]},
        ],
        "caption": [
            {"image": image[0], "text": ASKED[1], "pair": "a cat"}, image[1], {"image": image[2], "text": ASKED[0]},
        ],
        "alike": [{"text": ASKED[0], "image": image[4]}, {"text": ASKED[1]}, {"image": image[5]}],
        "intent": ASKED,
        "slots": [{"tokens": text.split()} for text in ASKED],
    }  # fmt: skip


TASK_NAMES = ["picture", "molecule", "record", "sound", "fused", "reply", "caption", "alike", "intent", "slots"]


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_task_answers_what_the_model_answers(shipped, rows, task):
    wanted = shipped.model.predict(task, rows[task])
    assert alike(shipped.runtime.predict(task, rows[task]), wanted, apart=1e-4)
    for row, alone in zip(rows[task], wanted, strict=True):  # and a row alone what it answers among others
        assert alike(shipped.runtime.predict(task, [row]), [alone], apart=1e-4)


def last(given, count: int) -> list[Any]:
    out: list[Any] = [None] * count
    for answer in given:
        if answer is not None and answer.last:
            out[answer.at] = answer.found
    return out


def test_questions_of_all_tasks_in_one_pack(shipped, rows):
    questions = [Question(task, row) for task in rows for row in rows[task] if not isinstance(row, str)]
    questions += [Question("picture", {"image": rows["picture"][0]}), Question("intent", {"text": ASKED[0]})]
    ours = last(shipped.runtime.answers(questions), len(questions))
    theirs = last(together.answers(shipped.model, questions), len(questions))
    assert alike(ours, theirs, apart=1e-4)


def test_equal_images_share_a_sequence(shipped, rows, monkeypatch):
    seen: list[int] = []
    run = shipped.runtime._graphs

    def watched(pack, asked):
        seen.append(len(pack.lengths))
        return run(pack, asked)

    monkeypatch.setattr(shipped.runtime, "_graphs", watched)
    image, text = rows["picture"][0], ASKED[0]
    questions = [
        Question("picture", {"image": image}),
        Question("picture", {"image": Path(image).read_bytes()}),
        Question("alike", {"image": image}),
        Question("intent", {"text": text}),
        Question("fused", {"text": text, "image": image}),
    ]
    last(shipped.runtime.answers(questions), len(questions))
    # The task "fused" has more stems: its image is the same, its sequence is not.
    assert sum(seen) == 4


def test_what_cannot_be_answered_is_told_as_the_model_tells_it(shipped, rows, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no image")
    bad = {
        "picture": [str(tmp_path / "no.png"), "/nowhere.png"],
        "molecule": ["C?C", " "],
        "record": [{"table": {"length": 3}}, {"table": {"size": "three"}}, {"table": {"size": None}}],
        "sound": ["/nowhere.wav", {"audio": b"RIFF"}],
    }
    for task, wrong in bad.items():
        for row in wrong:
            with pytest.raises(Exception) as theirs:
                shipped.model.predict(task, [row])
            with pytest.raises(BadInput) as ours:
                shipped.runtime.predict(task, [row])
            assert str(ours.value) == str(theirs.value)
    questions = [Question("picture", {"image": str(tmp_path / "no.png")}), Question("sound", {})]
    questions += [Question("molecule", {"sequence": 3}), Question("picture", {"image": rows["picture"][0]})]
    found = last(shipped.runtime.answers(questions), 4)
    assert [isinstance(answer, Unanswerable) for answer in found] == [True, True, True, False]
    assert found[2].reason == '"sequence" must be a text, not int'


def test_a_text_task_among_them_is_asked_of_sentences(shipped):
    assert shipped.runtime.text_tasks == shipped.model.text_tasks == ["intent", "slots"]
    assert alike(shipped.runtime.predict_all(ASKED), shipped.model.predict_all(ASKED), apart=1e-4)


def test_texts_alone_need_no_graph_of_a_stem(model):
    names = [graph.name for graph in plan(model, ["intent", "slots"]).graphs()]
    assert names == ["encoder", "intent", "slots"]
    names = [graph.name for graph in plan(model, ["picture", "sound"]).graphs()]
    assert names == ["image", "audio", "encoder", "picture", "sound"]


def test_one_file_is_for_texts(model, tmp_path):
    with pytest.raises(ExportError, match="these read image: export without --one-file"):
        export(model, tmp_path / "out.onnx", Settings(["picture", "intent"], one_file=True), source="model")


def test_a_task_looks_as_it_does_of_the_model(shipped):
    for name, task in shipped.model.tasks.items():
        head = shipped.runtime.heads[name]
        theirs, ours = face_of(name, task, type(shipped.model.head(name))), face_of_export(head)
        assert ours.ask.model_json_schema() == theirs.ask.model_json_schema()
        assert {**vars(ours), "ask": None} == {**vars(theirs), "ask": None}
        here, there = Takes.of_export(head), Takes.of(task)
        roles = {**task.kind.inputs, **task.kind.told}
        assert (here.kind, here.inputs) == (there.kind, there.inputs)
        assert dict(here.reads) == {role: kind for role, kind in there.reads.items() if role in roles}


@pytest.mark.slow
def test_it_was_checked_on_held_out_rows(done):
    assert set(done.tasks) == set(TASK_NAMES)
    assert all(found.rows > 0 and not found.made_up and found.gap < 1e-5 for found in done.tasks.values())


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"precision": "int8", "calibrate": 4, "compare": True}, {"target": "torch"}], ids=str)
def test_without_data_rows_are_made_up(model, tmp_path, more):
    done = export(model, tmp_path / "out", Settings(["fused", "alike"], rows=8, **more), source="model")
    assert all(found.made_up and found.rows for found in done.tasks.values())


@pytest.mark.slow
def test_predict_of_an_export_is_that_of_its_model(done, model, recipe, rows, folder, capsys, monkeypatch):
    run = folder / "run"
    model.save_pretrained(run / "model")
    (run / "recipe.yaml").write_text(recipe.to_yaml())
    asked = [["--task", "picture", *rows["picture"][:2]], ["--image", rows["picture"][0], "--question", "how many?"]]
    asked += [["--task", "sound", rows["sound"][0]], ["--task", "picture", "/nowhere.png"]]
    for arguments in asked:
        said = []
        for place in (done.path, run):
            monkeypatch.setattr(sys, "argv", ["unisono", "predict", str(place), *arguments, "--json"])
            with pytest.raises(SystemExit) as left:
                cli.main()
            said.append((left.value.code or 0, json.loads(capsys.readouterr().out)))
        assert alike(list(said[0]), list(said[1]), apart=1e-4)


@pytest.mark.slow
def test_it_needs_neither_pytorch_nor_anything_else_of_ours(done, rows):
    code = f"""{BLOCKED}
from unisono.runtime import Runtime
runtime = Runtime.load({str(done.path)!r}, threads=1)
for task, rows in {rows!r}.items():
    assert len(runtime.predict(task, rows)) == len(rows)
ours = {{n.split(".")[1] for n in sys.modules if n.startswith("unisono.")}}
assert ours == {{"runtime"}}, ours
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_the_server_answers_images_and_sounds_without_torch(done, rows):
    image, sound = (base64.b64encode(Path(rows[task][0]).read_bytes()).decode() for task in ("picture", "sound"))
    code = f"""
import asyncio, sys, httpx
from unisono.serve.app import LOOPBACK, Limits, Server
from unisono.serve.batcher import Batcher
from unisono.serve.engine import engine_of
server = Server(Batcher(engine_of({str(done.path)!r}, threads=1)), limits=Limits(), token=None, hosts=LOOPBACK)
async def ask():
    transport = httpx.ASGITransport(server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for path, body in (
            ("all", {{"image": {image!r}}}), ("sound", {{"audio": {sound!r}}}),
            ("record", {{"table": {{"size": 3, "colour": "r"}}}}), ("picture", {{"image": "aGVsbG8="}}),
        ):
            found = await client.post(f"/v1/{{path}}", json=body)
            print(found.status_code, sorted(found.json()))
asyncio.run(ask())
print(sorted({{"torch", "transformers", "datasets"}} & set(sys.modules)))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    every, one, record, bad, heavy = ended.stdout.splitlines()
    assert every.startswith("200") and "'picture'" in every and "'fused'" in every and "'caption'" in every
    assert one == record == "200 ['label', 'score', 'scores']" and bad.startswith("422") and heavy == "[]"
