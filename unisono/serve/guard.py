"""Guard: what the application does not get to see: a body too large or too slow, a wrong token, a foreign page."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from unisono.serve.batcher import OVERLOADED, Overloaded

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/", "/page.css", "/page.js", "/healthz", "/readyz")  # paths that show nothing of anybody
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)
_CLOSE = (b"connection", b"close")
_log = logging.getLogger("unisono.access")


_DIGITS = 15  # of a body's length; more are a petabyte, or an attack on what reads numbers


class _Refused(Exception):
    """(status, code, reason) of a body that is read no further."""


class Guard:
    """ASGI middleware around the whole application; also writes one line of the access log for each request.

    Args:
        token: that ``Authorization: Bearer`` must bring; None: none is asked for, and only pages of this machine may
            ask: names in ``hosts``.
        most_body: bytes of a request's body. ``seconds``: that it may take to arrive.
        hosts: names under which a server without a token answers: a foreign name that resolves to this machine (DNS
            rebinding) is refused.
        busy: says of a path that would be refused for want of time, before anything of the request is read, under which
            name it counts and how many seconds that lasts; else None.
        leaving: whether the server is about to end: each answer then ends its connection.
        seen: called with (route, status, seconds) after each request.
    """

    def __init__(
        self,
        app: App,
        *,
        token: str | None,
        most_body: int,
        seconds: float,
        hosts: frozenset[str],
        busy: Callable[[str], tuple[str, float] | None],
        leaving: Callable[[], bool],
        seen: Callable[[str, int, float], None],
    ) -> None:
        self.app, self.most_body, self.seconds = app, most_body, seconds
        self.hosts, self.busy, self.leaving, self.seen = hosts, busy, leaving, seen
        self._token = None if token is None else _digest(token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 499  # the client left before there was an answer

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message.get("headers", ())}
                more = (*_HEADERS, _CLOSE) if self.leaving() else _HEADERS
                message["headers"] = [*message.get("headers", ()), *(h for h in more if h[0] not in own)]
            await send(message)

        try:
            refused = self._refusal(scope)
            if refused:
                await _answer(sending, *refused)
            elif scope["method"] == "POST" and not self.leaving() and (full := self.busy(scope["path"])) is not None:
                scope["route_name"], wait = full
                error = Overloaded(wait)
                await _answer(sending, 503, OVERLOADED, str(error), retry_after=error.retry_after)
            else:
                await self._bounded(scope, receive, sending)
        except asyncio.CancelledError:
            if not self.leaving() or status != 499:
                raise
            await _answer(sending, 503, "ending", "the server ends before this is answered; try again", retry_after=1)
        finally:
            seconds = time.perf_counter() - begin
            self.seen(scope.get("route_name", "other"), status, seconds)
            _log.info(
                json.dumps(
                    {
                        "method": scope["method"],
                        "path": scope["path"][:200],
                        "status": status,
                        "ms": round(seconds * 1e3, 1),
                    }
                )
            )

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """(status, code, reason) of a request that is not let in."""
        headers = dict(scope["headers"])
        if self._token is None:
            host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]").lower()
            if host not in self.hosts:
                return 421, "wrong_host", "this server answers on this machine alone, under its own names"
        elif scope["path"] not in OPEN:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(_digest(given.strip()), self._token):
                return 401, "no_token", "send the header Authorization: Bearer TOKEN"
        length = headers.get(b"content-length")
        if length is not None and b"transfer-encoding" in headers:
            # A proxy in front may believe the one, and we the other: the rest would be another's request.
            return 400, "two_lengths", "a body has a Content-Length or a Transfer-Encoding, not both"
        if length is not None and (not length.isdigit() or len(length) > _DIGITS or int(length) > self.most_body):
            return 413, "too_large", f"a body may have {self.most_body:,} bytes"
        return None

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application, and stops reading where a body grows over the bound that it did not announce, or where
        it takes too long.
        """
        had, until, whole, refused = 0, time.monotonic() + self.seconds, False, False

        async def receiving() -> Message:
            nonlocal had, whole, refused
            try:
                # What comes after the body is the client's leaving, for which there is no hurry.
                message = await (receive() if whole else asyncio.wait_for(receive(), until - time.monotonic()))
            except (TimeoutError, asyncio.TimeoutError):
                refused = True
                raise _Refused(408, "slow", f"a body has to arrive within {self.seconds:g} seconds") from None
            had += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if had > self.most_body:
                refused = True
                raise _Refused(413, "too_large", f"a body may have {self.most_body:,} bytes")
            return message

        async def sending(message: Message) -> None:
            # The answer may end the connection, and a client that is still sending would see that and not the answer.
            while self.leaving() and not whole and not refused:
                await receiving()
            if not refused:  # else the answer is ours
                await send(message)

        try:
            await self.app(scope, receiving, sending)
        except _Refused as reason:
            await _answer(send, *reason.args)


def _digest(token: bytes) -> bytes:
    """Of one length, so that comparing tells nothing of a token's."""
    return hashlib.sha256(token).digest()


async def _answer(send: Send, status: int, code: str, reason: str, *, retry_after: int | None = None) -> None:
    body = json.dumps({"error": {"code": code, "message": reason}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_after is None:
        headers.append(_CLOSE)  # what the client is still sending is not read
    else:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
