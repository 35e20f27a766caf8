"""Streams: server-sent events, as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from unisono.client.errors import Fault, Unanswered, Unfit, error_of


class Part(NamedTuple):
    """What is known of an answer.

    Args:
        task: its name. ``prediction``: as far as it is known. ``last``: it is whole.
    """

    task: str
    prediction: dict[str, Any]
    last: bool


def parts(pieces: Iterable[bytes]) -> Iterator[Part]:
    """The parts of answers in the pieces of a stream.

    Raises:
        Unfit: a task cannot do with the row. Late, Busy, Fault: as the server says. Unanswered: the stream ends before
            it said that it would.
    """
    for event, content in _events(pieces):
        if event == "end":
            return
        if event == "error":
            error = content.get("error", {})
            raise error_of({"late": 504, "overloaded": 503}.get(error.get("code"), 500), content)
        if event == "answer":
            if "error" in content:
                raise Unfit(f'task "{content["task"]}": {content["error"]["message"]}', code="unfit")
            yield Part(content["task"], content["prediction"], content["last"])
    raise Unanswered("the stream ended before its answers were whole", code="unanswered")


def _events(pieces: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    held = b""
    for piece in pieces:
        held += piece
        *blocks, held = held.split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            try:
                content = json.loads(fields[b"data"])
                yield fields[b"event"].decode(), content
            except (KeyError, ValueError):
                raise Fault("the stream is not that of a Unisono server", code="unanswered") from None
