"""Exits in an export: rows leave as they do in PyTorch, others climb on, and nothing changes for who never leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.deploy.test_commands import unisono as command
from tests.deploy.test_exits import ROWS
from unisono.deploy.errors import ExportError
from unisono.deploy.exits import NEVER, load
from unisono.deploy.export import Settings, export
from unisono.deploy.leaving import leave
from unisono.runtime import Damaged, ExportedError, Runtime
from unisono.runtime.questions import Question
from unisono.train.run import open_recipe

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def run(teacher, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("leaving") / "run"
    shutil.copytree(teacher, folder)
    leave(folder, open_recipe(folder), task="intent", layers=[1, 3], rounds=1)
    return folder


@pytest.fixture(scope="module")
def exported(run) -> Path:
    return export(load(run, confident=NEVER), run / "out", Settings(("intent", "slots"), rows=6), source="a test").path


def same(found, wanted) -> None:
    assert [(p["label"], p.get("layers")) for p in found] == [(p["label"], p.get("layers")) for p in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_rows_leave_where_they_leave_in_pytorch(run, exported, share):
    sure = sorted(p["score"] for p in load(run, confident=0.0).predict("intent", ROWS))
    confident = (sure[min(int(share * len(sure)), len(sure) - 1)] + sure[int(share * (len(sure) - 1))]) / 2 + 1e-6
    wanted = load(run, confident=confident).predict("intent", ROWS)
    same(Runtime.load(exported, confident=confident).predict("intent", ROWS), wanted)
    assert share in (0.0, 1.0) or len({p["layers"] for p in wanted}) > 1


def test_unless_asked_no_row_leaves(run, exported):
    wanted = load(run, confident=NEVER).predict("intent", ROWS)
    found = Runtime.load(exported).predict("intent", ROWS)
    assert all(p.pop("layers") == 4 for p in wanted)
    same(found, wanted)
    same(Runtime.load(exported, confident=1.0).predict("intent", ROWS), [{**p, "layers": 4} for p in wanted])


def test_who_is_asked_something_else_too_climbs_on(exported):
    """Every other row is asked for its slots as well: these must be those of the whole trunk."""
    plain, early = Runtime.load(exported), Runtime.load(exported, confident=0.0)
    asked = [Question("intent", row) for row in ROWS] + [
        Question("slots", {"tokens": row["text"].split()}) for row in ROWS[::2]
    ]
    found, wanted = ({a.at: a.found for a in runtime.answers(asked) if a} for runtime in (early, plain))
    assert {found[at]["layers"] for at in range(len(ROWS))} == {1}
    assert [found[at] for at in range(len(ROWS), len(asked))] == [wanted[at] for at in range(len(ROWS), len(asked))]
    both = early.predict_all(ROWS[3]["text"])
    assert both["intent"]["layers"] == 1 and both["slots"] == plain.predict_all(ROWS[3]["text"])["slots"]


def test_layers_above_get_only_who_stays(exported, monkeypatch):
    early = Runtime.load(exported, confident=0.0)
    early._confident = sorted(p["score"] for p in early.predict("intent", ROWS))[len(ROWS) // 2]
    seen, sessions = [], early._graphs._sessions

    class Watched:
        def __init__(self, session) -> None:
            self.session = session

        def run(self, names, fields):
            seen.append(len(fields["place"]))
            return self.session.run(names, fields)

    for floor in ("encoder", "encoder.1", "encoder.3"):
        monkeypatch.setitem(sessions, floor, Watched(sessions[floor]))
    found = early.predict("intent", ROWS)
    lengths = [len(e["ids"]) for e in early._inputs.text.tokens(ROWS, words=False, most=512)]
    distinct = {row["text"]: (n, p["layers"]) for row, n, p in zip(ROWS, lengths, found, strict=True)}
    stay = [sum(n for n, layers in distinct.values() if layers > done) for done in (0, 1, 3)]
    assert seen == [n for n in stay if n] and stay[1] < stay[0]


@pytest.mark.slow
def test_int8_takes_exits_too(run, tmp_path):
    done = export(load(run, confident=NEVER), tmp_path / "out", Settings(("intent",), "int8", rows=6), source="a test")
    assert {"encoder.onnx", "encoder.1.onnx", "encoder.3.onnx", "intent.exit.1.onnx"} <= set(done.files)
    assert {p["layers"] for p in Runtime.load(done.path, confident=0.0).predict("intent", ROWS)} == {1}


def test_what_cannot_leave_is_said(run, exported, teacher, tmp_path):
    with pytest.raises(ExportError, match="one file holds the trunk in one piece"):
        export(load(run, confident=NEVER), tmp_path / "one.onnx", Settings(one_file=True), source="a test")
    with pytest.raises(ExportError, match="torch.export hold the trunk in one piece"):
        export(load(run, confident=NEVER), tmp_path / "out", Settings(target="torch"), source="a test")
    plain = export(load(run, confident=NEVER), tmp_path / "slots", Settings(("slots",), rows=4), source="a test").path
    with pytest.raises(ExportedError, match="no task of this export has exits"):
        Runtime.load(plain, confident=0.5)
    broken = shutil.copytree(exported, tmp_path / "broken")
    told = json.loads((broken / "unisono.json").read_text())
    told["trunk"]["floors"] = {"encoder": 2, "encoder.1": 3, "encoder.3": 4}
    (broken / "unisono.json").write_text(json.dumps(told))
    with pytest.raises(Damaged, match='task "intent": no floor of the trunk ends after 1 layers'):
        Runtime.load(broken)
    told["trunk"]["floors"] = {"encoder.1": 1, "encoder": 3, "encoder.3": 4}
    (broken / "unisono.json").write_text(json.dumps(told))
    with pytest.raises(Damaged, match="the floors of the trunk are not told from the lowest up"):
        Runtime.load(broken)


@pytest.mark.slow
def test_the_commands(run, tmp_path):
    done = command("export", run, tmp_path / "out", "--exits", "--rows", 4)
    assert done.exit_code == 0, done.output
    done = command("predict", tmp_path / "out", "Wake me up", "--task", "intent", "--confident", 0, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)[0]["intent"]["layers"] == 1, done.output
