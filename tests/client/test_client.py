"""The client against a real server: each task, all of them, streams, files, and errors by their kinds."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

import unisono
from tests.serve.live import live
from tests.serve.pretend import Pretend, task
from unisono.client import Busy, Client, Late, NoTask, Part, Unauthorized, Unfit
from unisono.serve.admission import Passes


@pytest.fixture(scope="module")
def served():
    with live() as (url, server):
        yield url, server


@pytest.fixture
def client(served):
    with Client(served[0]) as made:
        yield made


def test_the_face_has_it():
    assert unisono.Client is Client


def test_tasks_and_card(client):
    assert set(client.tasks()) == {"label", "say"} and client.tasks()["say"]["stream"]
    assert client.card() == "# a model"


def test_rows_are_answered_in_their_order(client):
    texts = [f"text {i}" for i in range(50)]
    assert client.predict("label", texts) == [{"label": f"a:{text}"} for text in texts]
    assert client.predict("label", [{"text": "hi", "label": "not looked at"}]) == [{"label": "a:hi"}]
    assert client.predict("say", ["a b"], beams=2) == [{"text": "a b"}] and client.predict("label", []) == []


def test_all_tasks(client):
    assert client.predict_all("a b") == {"label": {"label": "a:a b"}, "say": {"text": "a b"}}
    assert [f["label"]["label"] for f in client.predict_all(["x", {"text": "y"}])] == ["a:x", "a:y"]


def test_streams_grow_and_leave_their_connection(client):
    grown = [Part("say", {"text": "a"}, False), Part("say", {"text": "a b"}, False), Part("say", {"text": "a b"}, True)]
    assert list(client.stream("say", "a b")) == grown
    assert {part.task for part in client.stream(None, "a b")} == {"label", "say"}
    assert len(client._wire._idle) == 1
    with pytest.raises(Unfit, match="cannot be streamed"):
        next(client.stream("label", "a"))
    next(client.stream("say", "a b"))  # and is given up


def test_the_row_without_an_answer_is_named(client):
    with pytest.raises(Unfit, match='^row 2: task "label": no$') as error:
        client.predict("label", ["good", "bad", "good"])
    assert (error.value.at, error.value.code, error.value.status) == (1, "unfit", 422)
    told = client.each("label", ["good", "bad"])
    assert told[0] == {"label": "a:good"} and isinstance(told[1], Unfit)


@pytest.mark.parametrize(
    ("ask", "kind", "says"),
    [
        (lambda c: c.predict("lable", ["a"]), NoTask, "label, say"),
        (lambda c: c.predict("label", [{"txt": "a"}]), Unfit, "give text; the row has txt"),
        (lambda c: c.predict("label", [" "]), Unfit, "text"),
        (lambda c: c.predict("label", ["half a letter \ud800"]), Unfit, "cannot be sent"),
        (lambda c: c.predict("label", [{"text": object()}]), Unfit, "cannot be sent"),
        (lambda c: c.predict("label", ["x" * 2_000_000]), Unfit, "1,000,000 bytes"),
        (lambda c: c.predict("say", ["a"], beams=float("nan")), Unfit, "cannot be sent"),
        (lambda c: c.predict("say", ["a"], beams=99), Unfit, "beams"),
        (lambda c: c.predict_all({"image": "nowhere.png"}), Unfit, "^nowhere.png: there is no such image file$"),
    ],
)
def test_errors_have_a_kind_and_one_line(client, ask, kind, says):
    with pytest.raises(kind, match=says) as error:
        ask(client)
    assert "\n" not in str(error.value)


def test_files_are_sent_by_name_or_as_bytes(tmp_path):
    from unisono.heads.classify import Classify
    from unisono.serve.faces import face_of

    engine, seen = Pretend(), []
    looked = task("label", "classify")
    looked = type(looked)("label", looked.kind, looked.options, columns={"image": "image"})
    engine.faces = {"label": face_of("label", looked, Classify)}
    answers = engine.answers
    engine.answers = lambda questions: (seen.extend(q.row["image"]["bytes"] for q in questions), answers(questions))[1]
    (tmp_path / "a.png").write_bytes(b"PNG")
    (tmp_path / "pipe").mkdir()
    with live(engine) as (url, _), Client(url, connections=1) as client:
        for image in (str(tmp_path / "a.png"), tmp_path / "a.png", b"PNG", {"path": None, "bytes": b"PNG"}):
            client.predict("label", [{"image": image}])
        client.predict_all({"image": tmp_path / "a.png"})
        with pytest.raises(Unfit, match="no such image"):
            client.predict("label", [{"image": tmp_path / "pipe"}])
    assert seen == [b"PNG"] * 5


def test_a_token_opens_what_asks_for_one():
    with live(token="secret") as (url, _):
        assert Client(url, "secret").predict("label", ["a"]) == [{"label": "a:a"}]
        for token in (None, "secre", "secrets"):
            with pytest.raises(Unauthorized, match="Bearer") as error:
                Client(url, token).tasks()
            assert error.value.status == 401 and "secre" not in str(error.value)


def test_overload_passes_or_is_told_and_late_is_late():
    engine = Pretend()
    with live(engine) as (url, server):
        client = Client(url, patience=20, connections=32)
        client.tasks()
        server.batcher.admission.passes.learn(1, 60.0)
        engine.gate.clear()
        with pytest.raises(Late):
            Client(url, timeout=0.2).predict("label", ["a"])
        opened = threading.Timer(0.5, engine.gate.set)
        opened.start()
        told = client.each("label", [f"{i}" for i in range(32)])
        assert {type(one) for one in told} == {dict, Busy} and all(b.retry_after for b in told if isinstance(b, Busy))
        server.batcher.admission.passes = Passes()
        assert len(client.predict("label", [f"{i}" for i in range(64)])) == 64
        opened.join()


def test_a_question_needs_no_heavy_module():
    code = (
        "import sys, unisono\nunisono.Client('http://localhost:1')\n"
        "print(sorted({'torch', 'numpy', 'httpx', 'pydantic', 'fastapi'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
