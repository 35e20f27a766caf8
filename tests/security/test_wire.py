"""Raw bytes on the wire: requests that never end, come in drops, or can be read in two ways."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import pytest

from tests.security.bounds import bounded
from tests.serve.live import live
from unisono.client import Client

BODY = b'{"text": "a"}'
HEAD = b"POST /v1/label HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 13\r\n\r\n" + BODY
GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"

# what it is: (bytes, statuses that will do: of each answer on the connection, the first; after it the connection ends)
ONCE: dict[str, tuple[bytes, set[int]]] = {
    "two lengths, one of them chunks": (
        HEAD + b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET, {400},
    ),
    "two lengths": (HEAD + b"Content-Length: 13\r\nContent-Length: 14\r\n\r\n" + BODY + GET, {400}),
    "lengths in a list": (HEAD + b"Content-Length: 13, 14\r\n\r\n" + BODY + GET, {400}),
    "a length with a sign": (HEAD + b"Content-Length: +13\r\n\r\n" + BODY, {400, 413}),
    "a length below nothing": (HEAD + b"Content-Length: -1\r\n\r\n" + BODY, {400, 413}),
    "a length of 5,000 digits": (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY, {400, 413}),
    "a length that is too much": (HEAD + b"Content-Length: 99999999999\r\n\r\n" + BODY, {413}),
    "chunks of no number": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + BODY, {400}),
    "a chunk of 2^80 bytes": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n" + BODY, {400, 408, 413},
    ),
    "a coding of chunks that is none": (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + GET, {400, 501}),
    "a coding with a trick": (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + GET, {400, 501}),
    "a header in two lines": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", {200, 400}),
    "a blank before the colon": (HEAD + b"Content-Length : 13\r\n\r\n" + BODY, {400}),
    "a null in a header": (HEAD + b"X: a\0b\r\n\r\n", {400}),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", {400, 421}),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", {400, 421}),
    "a whole address": (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", {421}),
    "a tunnel": (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404, 405}),
    "a header of 200 KB": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", {400, 431}),
    "20,000 headers": (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", {200, 400, 431}),
    "a path of 200 KB": (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 414}),
    "another protocol": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(100), {400}),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 421}),
    "no HTTP": (b"hello\r\n\r\n", {400}),
    "a version that is none": (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", {200, 400, 505}),
}  # fmt: skip


@pytest.fixture(scope="module")
def served():
    with live(seconds=1.0) as (url, server), Client(url) as client:
        client.predict("label", ["it begins"])
        yield int(url.rpartition(":")[2]), client, server


def told(connection: socket.socket, seconds: float = 8) -> bytes:
    """All that comes until the server ends the connection, or until it rests for a second after an answer."""
    found = b""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.settimeout(1.0 if found else max(0.01, until - time.monotonic()))
        try:
            piece = connection.recv(1 << 16)
        except TimeoutError:
            break
        except ConnectionError:
            break
        if not piece:
            break
        found += piece
    return found


@pytest.mark.parametrize("attack", ONCE)
def test_what_can_be_read_in_two_ways_or_in_none(served, attack):
    port, client, _ = served
    content, statuses = ONCE[attack]
    with bounded(), socket.create_connection(("127.0.0.1", port)) as connection:
        with suppress(ConnectionError):  # it may be refused before it was all sent
            connection.sendall(content)
        found = told(connection)
    if found:
        assert int(found.split(b" ")[1]) in statuses, found[:300]
    else:
        assert len(content) > 60_000  # the answer may be lost where the rest was not read
    assert found.count(b"HTTP/1.1 ") <= 1 and b"unisono_" not in found, "a second request was read out of the first"
    assert client.predict("label", ["it lives"])


def test_two_requests_at_once_are_two(served):
    """The check above can see what it looks for."""
    port, _, _ = served
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(WHOLE + GET)
        found = told(connection)
    assert found.count(b"HTTP/1.1 200") == 2 and b"unisono_" in found


def test_a_body_in_drops_is_given_up(served):
    port, client, _ = served
    with bounded(), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD + b"Content-Length: 13\r\n\r\n{")
        found = told(connection)
    assert b" 408 " in found.split(b"\r\n")[0] and b'"slow"' in found
    assert client.predict("label", ["it lives"])


def test_chunks_without_end_are_given_up(served):
    port, client, _ = served
    with bounded(), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 50_000_000:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
        except ConnectionError:
            pass
        found = told(connection)
    assert sent < 20_000_000 and (not found or b" 413 " in found.split(b"\r\n")[0])
    assert client.predict("label", ["it lives"])


def test_heads_that_never_end_are_given_up(monkeypatch):
    monkeypatch.setattr("unisono.serve.hurry.SECONDS", 0.5)
    with live() as (url, _), bounded(seconds=20):
        port = int(url.rpartition(":")[2])
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        for number, connection in enumerate(held):
            if number % 2:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        for connection in held:
            connection.settimeout(10)
            assert connection.recv(1) == b""
            connection.close()
        with socket.create_connection(("127.0.0.1", port)) as connection:  # the second request of a connection
            connection.sendall(WHOLE)
            found = connection.recv(1 << 16)
            connection.sendall(b"GET / HT")
            connection.settimeout(10)
            while piece := connection.recv(1 << 16):
                found += piece
            assert found.count(b"HTTP/1.1 ") == 1
        assert Client(url).predict("label", ["it lives"])


def test_a_connection_that_is_kept_may_rest_longer_than_a_head_may_take(monkeypatch):
    monkeypatch.setattr("unisono.serve.hurry.SECONDS", 0.2)
    with live() as (url, _), Client(url) as client:
        client.predict("label", ["a"])
        time.sleep(0.5)
        line = client._wire._idle[0]
        client.predict("label", ["b"])
        assert client._wire._idle[0] is line and line.used


def test_clients_that_leave_leave_nothing(served):
    port, client, server = served
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(WHOLE)
    with bounded():
        while server.batcher.waiting or server.batcher._running:
            time.sleep(0.01)
        assert client.predict("label", ["it lives"])
