"""The routes: each task, all of them, streams, and every refusal with its status, a code and a reason."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest

from tests.serve.pretend import Pretend
from unisono.serve.app import LOOPBACK, Limits, Server
from unisono.serve.batcher import Batcher


def asked(*requests, engine=None, token=None, body=10_000, seconds=20.0, before=None):
    """The answers of a server to (method, path, arguments of httpx)."""
    engine = engine or Pretend()

    async def main():
        batcher = Batcher(engine)
        server = Server(batcher, limits=Limits(body, seconds), token=token, hosts=LOOPBACK)
        if before:
            before(server)
        transport = httpx.ASGITransport(server.app)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return [await client.request(method, path, **how) for method, path, how in requests]
        finally:
            engine.gate.set()
            await batcher.close()

    return asyncio.run(main())


JSON = {"content-type": "application/json"}


def post(path: str, content, **more):
    return ("POST", path, {"json": content, **more})


def test_a_task_answers_under_its_name_and_all_answer_together():
    one, both = asked(post("/v1/label", {"text": "hi"}), post("/v1/all", {"text": "hi you"}))
    assert (one.status_code, one.json()) == (200, {"label": "a:hi"})
    assert (both.status_code, both.json()) == (200, {"label": {"label": "a:hi you"}, "say": {"text": "hi you"}})
    assert one.headers["x-content-type-options"] == "nosniff" and one.headers["cache-control"] == "no-store"


def events(text: str) -> list[tuple[str, dict]]:
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


def test_a_stream_grows_and_ends():
    (answer,) = asked(post("/v1/all?stream=true", {"text": "one two"}))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events(answer.text) == [
        ("answer", {"task": "label", "prediction": {"label": "a:one two"}, "last": True}),
        ("answer", {"task": "say", "prediction": {"text": "one"}, "last": False}),
        ("answer", {"task": "say", "prediction": {"text": "one two"}, "last": False}),
        ("answer", {"task": "say", "prediction": {"text": "one two"}, "last": True}),
        ("end", {}),
    ]


def test_the_tasks_tell_what_they_take_and_their_examples_are_answered():
    (told,) = asked(("GET", "/v1/tasks", {}))
    assert set(told.json()) == {"label", "say"} and told.json()["say"]["stream"]
    examples = [task["example"] for task in told.json().values()]
    assert [a.status_code for a in asked(*(post(e["path"], e["body"]) for e in examples))] == [200, 200]


@pytest.mark.parametrize(
    ("request_", "status", "code", "says"),
    [
        (post("/v1/lable", {"text": "hi"}), 404, "no_task", "label, say"),
        (("GET", "/v1/label", {}), 405, "wrong_method", ""),
        (("PUT", "/v1/all", {}), 405, "wrong_method", ""),
        (("GET", "/v2/label", {}), 404, "no_path", ""),
        (post("/v1/say", {"source": "hi", "beams": True}), 422, "unfit", "beams"),
        (post("/v1/label", {}), 422, "unfit", "text"),
        (post("/v1/label", {"text": "  "}), 422, "unfit", "text"),
        (post("/v1/label", {"text": "hi", "txt": "?"}), 422, "unfit", "txt"),
        (post("/v1/label", ["hi"]), 422, "unfit", "body"),
        (post("/v1/label", {"text": "bad"}), 422, "unfit", 'task "label": no'),
        (post("/v1/label?stream=1", {"text": "hi"}), 422, "no_stream", "cannot be streamed"),
        (post("/v1/say?stream=maybe", {"source": "hi"}), 422, "unfit", "true or false"),
        (post("/v1/say", {"source": "hi", "beams": 1000}), 422, "unfit", "beams"),
        (post("/v1/all", {"image": "!!"}), 422, "unfit", "base64"),
        (post("/v1/all", {}), 422, "unfit", "GET /v1/tasks"),
        (post("/v1/label", {"text": "hi"}, headers={"x-timeout-seconds": "soon"}), 422, "unfit", "positive number"),
        (("POST", "/v1/label", {"content": b"{", "headers": JSON}), 400, "not_json", ""),
        (("POST", "/v1/label", {"content": b"[" * 9000, "headers": JSON}), 400, "not_json", ""),
        (("POST", "/v1/label", {"content": b"text=hi"}), 415, "wrong_type", "application/json"),
        (post("/v1/label", {"text": "x" * 20_000}), 413, "too_large", "10,000 bytes"),
        (post("/v1/label", {"text": "hi"}, headers={"host": "evil.example"}), 421, "wrong_host", ""),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_with_a_status_a_code_and_a_reason(request_, status, code, says):
    (answer,) = asked(request_)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code and says in answer.json()["error"]["message"]


def test_a_body_that_grows_over_the_bound_is_read_no_further():
    read = []

    async def body():
        for _ in range(1000):
            read.append(1)
            yield b"x" * 1000

    (answer,) = asked(("POST", "/v1/label", {"content": body(), "headers": {"content-type": "application/json"}}))
    assert answer.status_code == 413 and len(read) <= 12


def test_a_bare_image_is_the_body_of_a_task_that_takes_one(monkeypatch):
    seen = []
    engine = Pretend()
    answers = engine.answers
    monkeypatch.setattr(engine, "answers", lambda qs: (seen.extend(q.row for q in qs), answers(qs))[1])
    from unisono.heads.classify import Classify
    from unisono.kinds import kinds
    from unisono.serve.faces import face_of
    from unisono.tasks import Task

    looked = Task("label", kinds()["classify"], Classify.Options(), columns={"image": "image"})
    engine.faces = {"label": face_of("label", looked, Classify)}
    content = base64.b64encode(b"PNG").decode()
    found = asked(
        ("POST", "/v1/label", {"content": b"PNG", "headers": {"content-type": "image/png"}}),
        post("/v1/label", {"image": content}),
        post("/v1/all", {"image": f"data:image/png;base64,{content}"}),
        engine=engine,
    )
    assert [answer.status_code for answer in found] == [200] * 3
    assert seen == [{"image": {"path": None, "bytes": b"PNG"}}] * 3


def test_without_the_token_only_what_shows_nothing_is_answered():
    right = {"headers": {"authorization": "Bearer secret"}}
    wrong = {"headers": {"authorization": "Bearer secre"}}
    found = asked(
        ("GET", "/healthz", {}), ("GET", "/readyz", {}), ("GET", "/v1/tasks", {}), ("GET", "/v1/tasks", wrong),
        ("GET", "/metrics", {}), ("GET", "/v1/tasks", right), post("/v1/label", {"text": "hi"}, **right),
        token="secret",
    )  # fmt: skip
    assert [answer.status_code for answer in found] == [200, 200, 401, 401, 401, 200, 200]
    assert found[2].headers["www-authenticate"] == "Bearer"


def test_a_server_that_ends_is_alive_and_not_ready():
    def ending(server):
        server.draining = True

    alive, ready, answer = asked(
        ("GET", "/healthz", {}), ("GET", "/readyz", {}), post("/v1/label", {"text": "hi"}), before=ending
    )
    assert (alive.status_code, ready.status_code, answer.status_code) == (200, 503, 200)


def test_late_and_broken_requests_are_told_apart():
    engine = Pretend()
    engine.gate.clear()
    (late,) = asked(post("/v1/label", {"text": "hi"}, headers={"x-timeout-seconds": "0.01"}), engine=engine)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "late")
    (broken,) = asked(post("/v1/label", {"text": "break"}))
    assert (broken.status_code, broken.json()["error"]["code"]) == (500, "fault")


def test_an_overload_says_when_to_come_again():
    def full(server):
        server.batcher.admission.passes.learn(1, 60.0)
        engine.gate.clear()

    engine = Pretend()

    async def main():
        batcher = Batcher(engine)
        server = Server(batcher, limits=Limits(), token=None, hosts=LOOPBACK)
        full(server)
        transport = httpx.ASGITransport(server.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asks = [asyncio.create_task(client.post("/v1/label", json={"text": str(i)})) for i in range(12)]
            await asyncio.wait(asks, return_when=asyncio.FIRST_COMPLETED)
            engine.gate.set()
            found = [await one for one in asks]
        await batcher.close()
        return found

    found = asyncio.run(main())
    assert {answer.status_code for answer in found} == {200, 503}
    refused = [answer for answer in found if answer.status_code == 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


def test_what_is_counted_names_tasks_that_exist():
    _, _, counted = asked(
        post("/v1/label", {"text": "hi"}), post("/v1/nonsense", {"text": "hi"}), ("GET", "/metrics", {})
    )
    assert 'unisono_requests_total{route="label",status="200"} 1.0' in counted.text
    assert 'unisono_requests_total{route="other",status="404"} 1.0' in counted.text and "nonsense" not in counted.text


def test_the_page_loads_nothing_from_elsewhere_and_the_model_tells_of_itself():
    page, style, script, card, report = asked(
        *(("GET", path, {}) for path in ("/", "/page.css", "/page.js", "/v1/card", "/report"))
    )
    for answer in (page, style, script):
        assert answer.status_code == 200 and "://" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert card.json() == {"card": "# a model", "report": False}
    assert report.status_code == 404 and "unisono report" in report.json()["error"]["message"]


def test_the_document_describes_every_task_and_answer():
    (told,) = asked(("GET", "/openapi.json", {}))
    paths = told.json()["paths"]
    assert {"/v1/label", "/v1/say", "/v1/all", "/v1/tasks", "/healthz", "/readyz"} <= set(paths)
    assert set(paths["/v1/say"]["post"]["responses"]) >= {"200", "400", "413", "415", "422", "503", "504"}
    form = told.json()["components"]["schemas"]["Ask_say"]
    assert form["required"] == ["source"] and "beams" in form["properties"] and not form["additionalProperties"]
