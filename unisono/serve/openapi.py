"""OpenAPI: the document of a server, made from the tasks that its model has now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unisono import __version__
from unisono.serve.faces import Ask, AskAll, Face

_ERRORS = {
    "400": "the body is not JSON",
    "401": "the token is missing or wrong",
    "404": "there is no such task",
    "408": "the body came too slowly",
    "413": "the body is too large",
    "415": "the body is of another type",
    "421": "the request was sent to another host",
    "422": "the body or an option does not fit the task",
    "500": "a fault of the server's own",
    "503": "more requests than can be answered in time, or the server ends; Retry-After says when to try again",
    "504": "no answer in the time that the request may take",
}
_GET = ("401", "421")
_POST = tuple(_ERRORS)
_EVENT = {
    "type": "object",
    "description": "answer: JSON with task, prediction (as far as it is known) and last, or error; at the end: end",
    "required": ["event", "data"],
    "properties": {"event": {"enum": ["answer", "error", "end"]}, "data": {"type": "string"}},
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


def document(faces: Mapping[str, Face], most_body: int, *, secured: bool) -> dict[str, Any]:
    """OpenAPI 3.1."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, Any] = {
        "/healthz": {"get": _get("health", "whether the server lives", {"200": "it does"})},
        "/readyz": {"get": _get("ready", "whether it takes requests", {"200": "it does", "503": "it is about to end"})},
        "/v1/tasks": {
            "get": _get("tasks", "the tasks, what each takes, and an example", {"200": "task -> what it takes"})
        },
        "/v1/card": {
            "get": _get("card", "the model's card, in Markdown, and whether there is a report", {"200": "they are"})
        },
        "/v1/all": {"post": _post("all", "every task that can do with these inputs", AskAll, {}, schemas, stream=True)},
    }
    for name, face in faces.items():
        told = f"{name}: {face.kind}"
        paths[f"/v1/{name}"] = {"post": _post(name, told, face.ask, face.inputs, schemas, stream=face.stepwise)}
    out: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Unisono",
            "version": __version__,
            "description": f"One model, every task. A request's body may have {most_body:,} bytes.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if secured:
        out["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        out["security"] = [{"token": []}]
    return out


def _get(name: str, told: str, answers: Mapping[str, str]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    fine = {status: {"description": text, "content": content} for status, text in answers.items()}
    return {"operationId": name, "summary": told, "responses": {**fine, **_errors(_GET)}}


def _post(
    name: str, told: str, ask: type[Ask], inputs: Mapping[str, str], schemas: dict[str, Any], *, stream: bool
) -> dict[str, Any]:
    form = ask.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(form.pop("$defs", {}))
    schemas[ask.__name__] = form
    bodies: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ask.__name__}"}}}
    answers: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    parameters: list[dict[str, Any]] = [
        {
            "name": "X-Timeout-Seconds",
            "in": "header",
            "description": "how long the answer is waited for; no longer than the server allows",
            "schema": {"type": "number", "exclusiveMinimum": 0},
        }
    ]
    if stream:
        answers["text/event-stream"] = {"schema": _EVENT}
        parameters.append(
            {
                "name": "stream",
                "in": "query",
                "description": "server-sent events, as the answer grows",
                "schema": {"type": "boolean", "default": False},
            }
        )
    return {
        "operationId": f"ask_{name}",
        "summary": told,
        "parameters": parameters,
        "requestBody": {"required": True, "content": bodies},
        "responses": {"200": {"description": "the prediction", "content": answers}, **_errors(_POST)},
    }


def _errors(statuses: tuple[str, ...]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": _ERRORS[status], "content": content} for status in statuses}
