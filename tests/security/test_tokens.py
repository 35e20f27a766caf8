"""Tokens: only the right one opens, nothing tells how near a wrong one was, and none shows up anywhere."""

from __future__ import annotations

import hmac
import logging
import socket

import pytest

from tests.serve.live import live
from unisono.serve import guard

SECRET = "pä55-wörd"  # any text may be one
RIGHT = SECRET.encode()
WRONG: dict[str, bytes | None] = {
    "none": None,
    "empty": b"Authorization: ",
    "only the word": b"Authorization: Bearer",
    "only the word and a blank": b"Authorization: Bearer ",
    "too short": b"Authorization: Bearer " + RIGHT[:-1],
    "too long": b"Authorization: Bearer " + RIGHT + b"x",
    "in another case": b"Authorization: Bearer " + SECRET.upper().encode(),
    "in another coding": b"Authorization: Bearer " + SECRET.encode("latin-1"),
    "half a letter": b"Authorization: Bearer \xc3",
    "no text": b"Authorization: Bearer \xff\xfe\xfd",
    "another scheme": b"Authorization: Basic " + RIGHT,
    "no scheme": b"Authorization: " + RIGHT,
    "another header": b"X-Token: " + RIGHT,
    "a cookie": b"Cookie: token=" + RIGHT,
    "30 KB": b"Authorization: Bearer " + b"x" * 30_000,
    "twice, the last wrong": b"Authorization: Bearer " + RIGHT + b"\r\nAuthorization: Bearer x",
}


@pytest.fixture(scope="module")
def served():
    with live(token=SECRET) as (url, _):
        yield int(url.rpartition(":")[2])


def ask(port: int, header: bytes | None, path: bytes = b"/v1/tasks") -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        connection.sendall((header + b"\r\n" if header else b"") + b"\r\n")
        found = b""
        connection.settimeout(10)
        while piece := connection.recv(1 << 16):
            found += piece
    return found


@pytest.mark.parametrize("attack", WRONG)
def test_a_wrong_token_opens_nothing(served, attack):
    found = ask(served, WRONG[attack])
    assert b" 401 " in found.split(b"\r\n")[0] and b'"no_token"' in found and RIGHT not in found


def test_the_right_one_does(served):
    for header in (b"Authorization: Bearer ", b"authorization: BEARER  "):
        assert b" 200 " in ask(served, header + RIGHT).split(b"\r\n")[0]
    assert b" 401 " in ask(served, None, b"/v1/tasks?token=" + SECRET.encode("ascii", "ignore")).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "path", ["/metrics", "/report", "/v1/card", "/openapi.json", "/nothing", "//v1/tasks", "/%76%31/tasks"]
)
def test_no_path_goes_round_it(served, path):
    assert b" 401 " in ask(served, None, path.encode()).split(b"\r\n")[0]


def test_tokens_are_compared_in_the_same_time_whatever_they_are(served, monkeypatch):
    """By digests of one length, and by the comparison that does not stop at the first difference."""
    compared, usual = [], hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return usual(a, b)

    monkeypatch.setattr(guard.hmac, "compare_digest", compare)
    for header in (b"Authorization: Bearer x", b"Authorization: Bearer " + RIGHT):
        ask(served, header)
    assert len(compared) == 2 and {len(side) for pair in compared for side in pair} == {32}


def test_no_token_is_logged(served, caplog):
    logging.getLogger("unisono.access").propagate = True
    with caplog.at_level(logging.DEBUG):
        ask(served, b"Authorization: Bearer " + RIGHT)
        ask(served, b"Authorization: Bearer nearly")
    assert SECRET not in caplog.text and "nearly" not in caplog.text
