"""What the client does when an answer does not come: it waits as it is told, asks anew, and knows when not to."""

from __future__ import annotations

import json

import pytest

from tests.client.scripted import answer, scripted
from unisono.client import Busy, Client, ClientError, Fault, Late, Unanswered, Unauthorized, Unreachable, waits
from unisono.client.waits import Waits

TASKS = answer(json.dumps({"label": {"kind": "classify", "inputs": {"text": "text"}, "required": ["text"]}}).encode())
FOUND = answer(b'{"label": "a"}')


def refused(status: str, code: str, *headers: str) -> bytes:
    return answer(json.dumps({"error": {"code": code, "message": "a reason"}}).encode(), status, *headers)


@pytest.fixture(autouse=True)
def slept(monkeypatch) -> list[float]:
    """The waits, which take no time here."""
    found: list[float] = []
    monkeypatch.setattr(waits.time, "sleep", found.append)
    return found


def test_a_busy_server_is_asked_again_when_it_says_over_the_same_connection(slept):
    busy = refused("503 Service Unavailable", "overloaded", "Retry-After: 2")
    with scripted([TASKS, busy, busy, FOUND]) as (url, asked):
        assert Client(url).predict("label", ["hi"]) == [{"label": "a"}]
    assert len(asked) == 4 and len(slept) == 2 and all(2 <= wait <= 2.2 for wait in slept)


def test_waits_without_a_word_double_are_drawn_and_have_a_bound(slept):
    drawn = Waits(1e9)
    assert all(drawn.wait(None) for _ in range(40))
    bounds = [min(waits.LONGEST, waits.FIRST * 2**i) for i in range(40)]
    assert all(0 <= wait <= bound for wait, bound in zip(slept, bounds, strict=True))
    assert len(set(slept)) > 30 and max(slept) > waits.LONGEST / 2


def test_a_wait_that_would_end_too_late_is_not_begun(slept):
    busy = refused("429 Too Many Requests", "overloaded", "Retry-After: 100")
    with scripted([TASKS, busy]) as (url, _), pytest.raises(Busy, match="a reason") as error:
        Client(url, patience=20).predict("label", ["hi"])
    assert error.value.retry_after == 100 and error.value.status == 429 and slept == []


@pytest.mark.parametrize("header", ["Retry-After: soon", "Retry-After: -1", "Retry-After: nan", "Retry-After: inf"])
def test_a_time_to_come_again_that_is_none_counts_as_unsaid(header, slept):
    with scripted([TASKS, refused("503 Service Unavailable", "overloaded", header), FOUND]) as (url, _):
        Client(url).predict("label", ["hi"])
    assert 0 <= slept[0] <= waits.FIRST


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("500 Internal Server Error", "fault", Fault),
        ("504 Gateway Timeout", "late", Late),
        ("401 No", "no_token", Unauthorized),
    ],
)
def test_what_will_not_pass_is_not_asked_again(status, code, kind, slept):
    script = [TASKS, refused(status, code, "Retry-After: 1"), FOUND]
    with scripted(script) as (url, asked), pytest.raises(kind) as error:
        Client(url).predict("label", ["hi"])
    assert (error.value.code, error.value.status) == (code, int(status[:3])) and len(asked) == 2 and slept == []


def test_a_connection_that_was_closed_while_idle_is_opened_anew(slept):
    with scripted([TASKS], [FOUND]) as (url, _):
        client = Client(url)
        client.tasks()
        assert client.predict("label", ["hi"]) == [{"label": "a"}]
    assert slept == []


def test_a_server_that_closes_before_an_answer_began_is_asked_again_a_few_times(slept):
    with scripted([b""], [b""], [TASKS]) as (url, _):
        assert "label" in Client(url).tasks()
    assert len(slept) == 2
    with scripted() as (url, _):
        pass
    with pytest.raises(Unreachable, match="is the server running"):
        Client(url).tasks()
    assert len(slept) == 2 + waits.TRIES - 1


def test_an_answer_that_broke_off_is_not_asked_for_again(slept):
    for broken in (FOUND[:-3], FOUND.replace(b"Content-Length: 14", b"Transfer-Encoding: chunked")):
        with scripted([TASKS, broken], [FOUND]) as (url, asked), pytest.raises(ClientError):
            Client(url).predict("label", ["hi"])
        assert len(asked) == 2 and slept == []


def test_a_silent_server_is_late():
    with scripted([TASKS, None]) as (url, _), pytest.raises(Late):
        Client(url, timeout=0.1).predict("label", ["hi"])


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[" * 100_000, b"\xff"])
def test_what_is_no_server_of_ours_is_told(body):
    with scripted([answer(body)], [answer(body, "404 Not Found")]) as (url, _):
        with pytest.raises(Fault, match="not a Unisono server"):
            Client(url).tasks()
        with pytest.raises(ClientError, match="not a Unisono server"):
            Client(url).tasks()


def test_a_stream_that_breaks_off_is_no_answer():
    event = b'event: answer\ndata: {"task": "label", "prediction": {"label": "a"}, "last": true}\n\n'
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + event
    with scripted([TASKS], [whole]) as (url, _):
        client = Client(url)
        client.tasks()
        found = client.stream("label", "hi")
        assert next(found).prediction == {"label": "a"}
        with pytest.raises(Unanswered):
            next(found)


def test_the_time_that_is_left_is_told_to_the_server():
    with scripted([TASKS, FOUND]) as (url, asked):
        Client(url, timeout=5).predict("label", ["hi"])
    (told,) = [float(line[19:]) for line in asked[1].split(b"\r\n") if line.startswith(b"X-Timeout-Seconds: ")]
    assert 0 < told <= 5


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://here", "http://", "http://a:b@here", "http://here/?a=b"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError):
        Client(url)


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Other: 1", "schlüssel"])
def test_a_token_that_would_break_the_header_is_refused(token):
    with pytest.raises(ValueError, match="token"):
        Client("http://localhost", token)
