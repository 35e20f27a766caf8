"""App: the routes. One for each task, one for all at once, and what operators ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from unisono.runtime.questions import Answer, Question, Unanswerable
from unisono.runtime.text import words_of
from unisono.serve import page
from unisono.serve.batcher import OVERLOADED, Batcher, Broken, Late, Overloaded
from unisono.serve.faces import Ask, AskAll, cost
from unisono.serve.guard import Guard
from unisono.serve.openapi import document
from unisono.serve.telling import Telling

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "testserver"})
_MEDIA = {"image/": "image", "audio/": "audio"}  # content type of a bare body -> the input that it is


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Args:
        body: bytes. ``seconds``: from its first byte to its answer; a header ``X-Timeout-Seconds`` may ask for less.
    """

    body: int = 8 << 20
    seconds: float = 30.0


class Refused(Exception):
    """A request that gets no answer but this.

    Args:
        status: of HTTP. ``code``: one word for programs. ``reason``: a line for people.
    """

    def __init__(self, status: int, code: str, reason: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason, self.headers = status, code, reason, dict(headers or {})


class Server:
    """The routes over a batcher.

    Args:
        batcher: answers. ``telling``: counts what is seen. ``limits``: see there. ``token``: that requests must bring.
        draining: whether the server is about to end: it is then no longer ready.
    """

    def __init__(self, batcher: Batcher, *, limits: Limits, token: str | None, hosts: frozenset[str]) -> None:
        self.batcher, self.limits = batcher, limits
        self.telling = Telling(batcher)
        self.draining = False
        self._secured = token is not None
        get = {
            "/healthz": self.health, "/readyz": self.ready, "/metrics": self.metrics, "/openapi.json": self.document,
            "/v1/tasks": self.tasks, "/v1/card": self.card, "/report": self.report,
        } | {path: partial(page.answer, name) for path, name in page.FILES.items()}  # fmt: skip
        self.api = Starlette(
            routes=[
                Route("/v1/all", self.all, methods=["POST"]),
                Route("/v1/{task}", self.one, methods=["POST"]),
                *(Route(path, answer, methods=["GET"]) for path, answer in get.items()),
            ],
            exception_handlers={Refused: _refused, HTTPException: _no_route, Exception: _fault},
            lifespan=self._life,
        )
        self.app = Guard(
            self.api, token=token, most_body=limits.body, seconds=limits.seconds, hosts=hosts, busy=self.busy,
            leaving=lambda: self.draining, seen=self.telling.request,
        )  # fmt: skip

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self.batcher.close()

    def busy(self, path: str) -> tuple[str, float] | None:
        """(task, seconds until there may be room) if even the smallest request to a path would be refused now."""
        task = path.removeprefix("/v1/")
        face = self.batcher.engine.faces.get(task)
        if face is None or face.stepwise:
            return None
        seconds = self.batcher.full()
        return None if seconds is None else (task, seconds)

    # -- questions -------------------------------------------------------------------------------------------------

    async def one(self, request: Request) -> Response:
        task = request.path_params["task"]
        face = self.batcher.engine.faces.get(task)
        if face is None:
            known = ", ".join(self.batcher.engine.faces)
            raise Refused(404, "no_task", f'no task "{_one_line(task[:100])}" here; there are: {known}')
        request.scope["route_name"] = task
        stream = _flag(request, "stream")
        if stream and not face.stepwise:
            raise Refused(422, "no_stream", f'"{task}" answers at once and cannot be streamed')
        asked = await _read(request, face.ask, face.inputs)
        try:
            question = face.question(asked, partial=stream)
        except ValueError as error:
            raise Refused(422, "unfit", str(error)) from None
        if stream:
            return await self._stream(request, [question])
        (found,) = await self._ask(request, [question])
        return JSONResponse(found)

    async def all(self, request: Request) -> Response:
        request.scope["route_name"] = "all"
        asked = await _read(request, AskAll, {"image": "image", "audio": "audio"})
        faces = self.batcher.engine.faces.values()
        stream = _flag(request, "stream")
        made = [face.question_from(asked, partial=stream and face.stepwise) for face in faces]
        questions = [question for question in made if question is not None]
        if not questions:
            raise Refused(422, "unfit", "no task here can do with these inputs; GET /v1/tasks says what each takes")
        if stream:
            return await self._stream(request, questions)
        found = await self._ask(request, questions)
        return JSONResponse({question.task: answer for question, answer in zip(questions, found, strict=True)})

    async def _ask(self, request: Request, questions: Sequence[Question]) -> list[Any]:
        with _told():
            found = await self.batcher.ask(questions, cost=sum(map(cost, questions)), seconds=self._seconds(request))
        for question, answer in zip(questions, found, strict=True):
            if isinstance(answer, Unanswerable):
                raise Refused(422, "unfit", f'task "{question.task}": {answer.reason}')
        return [_shown(question, answer) for question, answer in zip(questions, found, strict=True)]

    async def _stream(self, request: Request, questions: Sequence[Question]) -> Response:
        """Server-sent events, one for each answer or part of one: ``{"task", "prediction", "last"}``."""
        answers = self.batcher.stream(questions, cost=sum(map(cost, questions)), seconds=self._seconds(request))
        with _told():  # what is refused at once is refused with a status, not in a stream
            first = await anext(answers, None)

        async def events() -> AsyncIterator[bytes]:
            try:
                if first is not None:
                    yield _event(questions, first)
                async for answer in answers:
                    yield _event(questions, answer)
            except (Late, Broken, Overloaded) as error:
                refused = _meaning(error)
                yield _sse({"error": {"code": refused.code, "message": refused.reason}}, "error")
            finally:
                await answers.aclose()  # type: ignore[attr-defined]
            yield _sse({}, "end")

        return StreamingResponse(events(), media_type="text/event-stream")

    def _seconds(self, request: Request) -> float:
        asked = request.headers.get("x-timeout-seconds")
        if asked is None:
            return self.limits.seconds
        try:
            seconds = float(asked)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds < float("inf"):
            raise Refused(422, "unfit", "X-Timeout-Seconds is not a positive number")
        return min(seconds, self.limits.seconds)

    # -- what operators ask ----------------------------------------------------------------------------------------

    async def document(self, _: Request) -> Response:
        return JSONResponse(document(self.batcher.engine.faces, self.limits.body, secured=self._secured))

    async def tasks(self, _: Request) -> Response:
        return JSONResponse(
            {
                name: {
                    "kind": face.kind,
                    "inputs": dict(face.inputs),
                    "required": list(face.required),
                    "told": dict(face.told),
                    "options": list(face.options),
                    "stream": face.stepwise,
                    "example": {"path": f"/v1/{name}", "body": dict(face.example)},
                }
                for name, face in self.batcher.engine.faces.items()
            }
        )

    async def card(self, _: Request) -> Response:
        engine = self.batcher.engine
        return JSONResponse({"card": engine.card, "report": engine.report is not None})

    async def report(self, _: Request) -> Response:
        if self.batcher.engine.report is None:
            raise Refused(404, "no_report", "this model has no training report: unisono report RUN writes one")
        return page.report(self.batcher.engine.report)

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        if self.draining:
            return JSONResponse({"status": "draining"}, 503)
        return JSONResponse({"status": "ready", "tasks": list(self.batcher.engine.faces)})

    async def metrics(self, _: Request) -> Response:
        return Response(self.telling.text(), media_type="text/plain; version=0.0.4")


async def _read(request: Request, form: type[Ask], inputs: Mapping[str, str]) -> Any:
    """A request's body: JSON, or a bare file for the one input that is of its type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    for start, wanted in _MEDIA.items():
        roles = [role for role, what in inputs.items() if what == wanted]
        if kind.startswith(start) and len(roles) == 1:
            return _validated(form, {roles[0]: body})
    if kind != "application/json":
        raise Refused(415, "wrong_type", "send JSON, with Content-Type: application/json, or one image or sound")
    try:
        content = json.loads(body, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, "not_json", "the body is not JSON, or not strictly: no name twice, no NaN") from None
    return _validated(form, content)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose names comes twice: which of them a reader takes would be a matter of taste."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no_constant(name: str) -> None:
    """NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(name)


def _validated(form: type[Ask], content: Any) -> Ask:
    try:
        return form.model_validate(content)
    except ValidationError as error:
        told = [
            {"field": ".".join(map(str, one["loc"]))[:100] or "body", "message": one["msg"]}
            for one in error.errors(include_input=False, include_url=False, include_context=False)[:10]
        ]
        reason = "; ".join(f"{one['field']}: {one['message']}" for one in told)
        raise Refused(422, "unfit", _one_line(reason)) from None


def _one_line(text: str) -> str:
    """What a request brought, in a line that may stand in a log."""
    return "".join(c if c.isprintable() else "?" for c in text)


@contextmanager
def _told() -> Iterator[None]:
    """Turns the batcher's refusals into answers."""
    try:
        yield
    except (Late, Broken, Overloaded) as error:
        raise _meaning(error) from None


def _meaning(error: Exception) -> Refused:
    if isinstance(error, Overloaded):
        return Refused(503, OVERLOADED, str(error), {"Retry-After": str(error.retry_after)})
    if isinstance(error, Late):
        return Refused(504, "late", "there was no answer in the time that this request may take")
    return Refused(500, "fault", "a fault of the server's own; its log says which")


async def _no_route(_: Request, error: Exception) -> Response:
    """What the routes themselves refuse: a path that there is not, or another method."""
    assert isinstance(error, HTTPException)
    told = {404: ("no_path", "there is nothing under this path"), 405: ("wrong_method", "not by this method")}
    code, reason = told.get(error.status_code, ("refused", str(error.detail)))
    return JSONResponse({"error": {"code": code, "message": reason}}, error.status_code, headers=error.headers)


async def _fault(_: Request, error: Exception) -> Response:
    """What no handler foresaw; the log has it whole."""
    refused = _meaning(error)
    return JSONResponse({"error": {"code": refused.code, "message": refused.reason}}, refused.status)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(
        {"error": {"code": error.code, "message": error.reason}}, error.status, headers=error.headers or None
    )


def _flag(request: Request, name: str) -> bool:
    said = request.query_params.get(name, "false").lower()
    if said not in ("true", "false", "1", "0"):
        raise Refused(422, "unfit", f"{name} is true or false")
    return said in ("true", "1")


def _shown(question: Question, found: Any) -> Any:
    """A prediction as it is sent: what is said of words comes with them, where they were found in a text here."""
    words = question.row.get("tokens")
    return {"words": words_of(words), **found} if isinstance(words, str) else found


def _event(questions: Sequence[Question], answer: Answer) -> bytes:
    question = questions[answer.at]
    if isinstance(answer.found, Unanswerable):
        return _sse({"task": question.task, "error": {"code": "unfit", "message": answer.found.reason}, "last": True})
    return _sse({"task": question.task, "prediction": _shown(question, answer.found), "last": answer.last})


def _sse(content: Any, event: str = "answer") -> bytes:
    return f"event: {event}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
