"""An export is served and asked by the commands as its model is, and no torch is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.runtime.conftest import WORDS
from tests.runtime.twins import alike
from unisono import cli
from unisono.ask import Takes
from unisono.serve.engine import ModelEngine, RuntimeEngine, engine_of
from unisono.serve.errors import ServeError
from unisono.serve.faces import face_of, face_of_export


def test_a_task_looks_as_it_does_of_the_model(shipped):
    for name, task in shipped.model.tasks.items():
        head = shipped.runtime.heads[name]
        theirs, ours = face_of(name, task, type(shipped.model.head(name))), face_of_export(head)
        assert ours.ask.model_json_schema() == theirs.ask.model_json_schema()
        assert {**vars(ours), "ask": None} == {**vars(theirs), "ask": None}
        here, there = Takes.of_export(head), Takes.of(task)
        assert (here.kind, here.inputs) == (there.kind, there.inputs)
        assert dict(here.reads) == {role: kind for role, kind in there.reads.items() if kind in ("text", "tokens")}
        assert set(here.options) == set(there.options) - {"self", "states", "targets"}


def test_an_export_runs_on_the_processor(tmp_path, capsys, monkeypatch):
    (tmp_path / "unisono.json").write_text("{}")
    with pytest.raises(ServeError, match="leave out --device cuda$"):
        engine_of(tmp_path, device="cuda")
    code, said = asked(capsys, monkeypatch, "predict", tmp_path, "Hi", "--device", "cuda")
    assert code == 2 and "an export runs on the processor" in " ".join(said.split())


def test_rows_leave_early_in_exports_alone(tmp_path):
    with pytest.raises(ServeError, match="rows leave early in exports alone: unisono export .* --exits"):
        engine_of(tmp_path, confident=0.9)


@pytest.mark.slow
def test_what_answers_is_found_by_what_lies_there(exported, trained):
    assert isinstance(engine_of(exported, threads=1), RuntimeEngine)
    assert isinstance(engine_of(trained), ModelEngine)


def asked(capsys, monkeypatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["unisono", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as left:
        code = int(left.code or 0)
    said = capsys.readouterr()
    return code, said.out or said.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["Wake me up at seven.", "Hi"],
        ["--task", "where", "--question", "when?", "--context", " ".join(WORDS)],
        ["--task", "where", "--question", "when?", "--context", "  "],
        ["--task", "en-de", "Wake me up.", "--beams", "3"],
        ["--text", "one", "--input", "other=two"],
        ["--task", "nothing", "one"],
    ],
    ids=["sentences", "roles", "unfit", "beams", "two texts", "no task"],
)
def test_predict_of_an_export_is_that_of_its_model(exported, trained, capsys, monkeypatch, arguments):
    ours = asked(capsys, monkeypatch, "predict", exported, *arguments, "--json")
    theirs = asked(capsys, monkeypatch, "predict", trained, *arguments, "--json")
    assert ours[0] == theirs[0]
    if arguments[-1:] == ["one"]:
        assert ours[1].startswith('error: this export has no task "nothing"')
    else:
        assert alike(json.loads(ours[1]), json.loads(theirs[1]), apart=1e-4)


@pytest.mark.slow
def test_the_server_imports_no_torch_for_an_export(exported):
    code = f"""
import asyncio, sys, httpx
from unisono.serve.app import LOOPBACK, Limits, Server
from unisono.serve.batcher import Batcher
from unisono.serve import run
from unisono.serve.engine import engine_of
server = Server(Batcher(engine_of({str(exported)!r}, threads=1)), limits=Limits(), token=None, hosts=LOOPBACK)
async def ask():
    transport = httpx.ASGITransport(server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        found = await client.post("/v1/all", json={{"text": "Wake me up at seven."}})
        assert found.status_code == 200, found.text
        print(sorted(found.json()))
asyncio.run(ask())
print(sorted({{"torch", "transformers", "datasets"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tasks, heavy = done.stdout.splitlines()
    assert "'intent', 'reply'" in tasks and "slots" in tasks and heavy == "[]"
