"""Wire: one request over a connection that is kept for the next, tried again where that cannot do anything twice."""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from unisono.client.errors import Busy, ClientError, Late, Unfit, Unreachable, error_of
from unisono.client.waits import Waits, retry_after

_KEPT = 20.0  # seconds that a connection may stand idle; the server closes it after 30
_LARGE = 1 << 16  # bytes of a body that is sent only if the server wants it: a refusal in its midst would be lost
_PAUSE = 1.0  # seconds to wait for its word; some servers never give it


@dataclass
class _Line:
    """A connection. ``used``: it has carried an answer, so that it may have been closed since."""

    connection: http.client.HTTPConnection
    since: float = 0.0
    used: bool = False


class Wire:
    """Requests to one server, from any number of threads.

    Args:
        url: ``http://`` or ``https://``, with or without a path before ``/v1``.
        timeout: seconds that one try may take.

    Raises:
        ValueError: no such address.
    """

    def __init__(self, url: str, token: str | None, *, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url}: not an address such as http://localhost:8000")
        if parts.username is not None:
            raise ValueError("the address has a name or a password in it; give the token apart from it")
        if token is not None and not (token and token.isascii() and token.isprintable() and " " not in token):
            raise ValueError("a token has letters, digits and signs of ASCII only, and no blank")
        self.url, self.timeout = url.rstrip("/"), timeout
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._context = ssl.create_default_context() if self._secure else None
        self._idle: deque[_Line] = deque()
        self._lock = threading.Lock()

    def json(self, method: str, path: str, body: Any = None, *, seconds: float) -> dict[str, Any]:
        """The JSON object that an answer holds.

        Args:
            seconds: that the question may take, all tries together.

        Raises:
            ClientError: any of its kinds.
        """
        with self.answer(method, path, body, seconds=seconds) as (response, line, until):
            content = _read(response, line, until)
        return _parsed(content, response.status)

    @contextmanager
    def answer(
        self, method: str, path: str, body: Any = None, *, seconds: float
    ) -> Iterator[tuple[http.client.HTTPResponse, http.client.HTTPConnection, float]]:
        """(answer of status 200 whose body is not read yet, its connection, when its time is over).

        The connection goes back to the idle ones if the body was read to its end, and is closed else.
        """
        content = None if body is None else _dumped(body)
        waits = Waits(seconds)
        while True:
            line, until = self._line(), time.monotonic() + min(self.timeout, waits.left)
            try:
                response = self._sent(line, method, path, content, until)
            except (OSError, http.client.HTTPException) as error:
                line.connection.close()
                if isinstance(error, ConnectionError) and line.used:
                    continue  # it was closed while it stood idle; the next is another, and at last a new one
                passing = isinstance(error, OSError) and not isinstance(error, (TimeoutError, ssl.SSLError))
                if passing and waits.wait_for_server():
                    continue
                raise self._lost(error) from None
            if response.status == 200:
                try:
                    yield response, line.connection, until
                finally:
                    self._back(line, response)
                return
            refused, asked = self._refusal(response, line, until)
            if isinstance(refused, Busy) and waits.wait(asked):
                continue
            raise refused

    def close(self) -> None:
        """Ends the idle connections."""
        with self._lock:
            lines, self._idle = list(self._idle), deque()
        for line in lines:
            line.connection.close()

    # -- one try -----------------------------------------------------------------------------------------------------

    def _sent(
        self, line: _Line, method: str, path: str, content: bytes | None, until: float
    ) -> http.client.HTTPResponse:
        headers = dict(self._headers)
        if content is not None:
            headers |= {"Content-Type": "application/json", "X-Timeout-Seconds": f"{_left(until):.3f}"}
        connection = line.connection
        connection.timeout = _left(until)
        if connection.sock is not None:
            connection.sock.settimeout(_left(until))
        if content is None or len(content) <= _LARGE or self._secure:
            connection.request(method, f"{self._prefix}{path}", content, headers)
        else:
            headers |= {"Content-Length": str(len(content)), "Expect": "100-continue"}
            connection.request(method, f"{self._prefix}{path}", None, headers)
            if _wanted(connection.sock):
                connection.sock.settimeout(_left(until))
                connection.sock.sendall(content)
        connection.sock.settimeout(_left(until))
        return connection.getresponse()

    def _refusal(
        self, response: http.client.HTTPResponse, line: _Line, until: float
    ) -> tuple[ClientError, float | None]:
        """What an answer of another status than 200 means, and when to come again."""
        status, asked = response.status, retry_after(response.getheader("Retry-After"))
        try:
            content = _read(response, line.connection, until)
        except ClientError:
            content = b""
        self._back(line, response)
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            told = None
        error = error_of(status, told)
        if isinstance(error, Busy):
            error.retry_after = asked or 0.0
        return error, asked

    def _lost(self, error: Exception) -> ClientError:
        if isinstance(error, TimeoutError):
            return Late(f"{self.url}: no answer in time", code="late")
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Unreachable(f"{self.url}: {why}; is the server running, and the address right?", code="unreachable")

    # -- connections -------------------------------------------------------------------------------------------------

    def _line(self) -> _Line:
        with self._lock:
            while self._idle:
                line = self._idle.pop()
                if time.monotonic() - line.since < _KEPT:
                    return line
                line.connection.close()
        if self._context is not None:
            return _Line(http.client.HTTPSConnection(self._host, self._port, context=self._context))
        return _Line(http.client.HTTPConnection(self._host, self._port))

    def _back(self, line: _Line, response: http.client.HTTPResponse) -> None:
        """Keeps a connection whose answer was read to its end."""
        whole = response.isclosed() or response.length == 0
        response.close()
        if not whole or response.will_close:
            line.connection.close()
            return
        line.since, line.used = time.monotonic(), True
        with self._lock:
            self._idle.append(line)


def _left(until: float) -> float:
    """Seconds until then, for a socket: 0 would mean none to wait at all."""
    return max(0.001, until - time.monotonic())


def _wanted(connection: socket.socket) -> bool:
    """Whether a body is to be sent: the server says "100 Continue", or nothing (RFC 9110, section 10.1.1)."""
    if not select.select([connection], [], [], _PAUSE)[0]:
        return True
    return connection.recv(12, socket.MSG_PEEK)[8:12] == b" 100"


def read_some(response: http.client.HTTPResponse, connection: http.client.HTTPConnection, until: float) -> bytes:
    """What has come of a body; nothing at its end.

    Raises:
        Late, Unreachable: see there.
    """
    try:
        if until <= time.monotonic():
            raise TimeoutError
        if connection.sock is not None:  # None: the body's end closes it
            connection.sock.settimeout(_left(until))
        return response.read1(1 << 16)
    except TimeoutError:
        raise Late("the answer was not whole in time", code="late", status=response.status) from None
    except (OSError, http.client.HTTPException):
        raise Unreachable("the connection broke in the middle of the answer", code="unreachable") from None


def _read(response: http.client.HTTPResponse, connection: http.client.HTTPConnection, until: float) -> bytes:
    parts = []
    while part := read_some(response, connection, until):
        parts.append(part)
    if response.length:  # http.client takes a body that breaks off for one that ends
        raise Unreachable("the connection broke in the middle of the answer", code="unreachable")
    return b"".join(parts)


def _dumped(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:  # an array, an endless number, half a letter
        raise Unfit(f"the row cannot be sent as JSON: {error}", code="unfit") from None


def _parsed(content: bytes, status: int) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise error_of(status, None)
    return found
