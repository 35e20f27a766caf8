"""The end of a server: every request that reaches it has an answer, and no client finds a connection just closed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.serve.live import leaving
from tests.serve.pretend import Pretend


class Connection:
    """One that is kept; ``ask`` and its halves. ``told``: the last answer said that it ends."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port), timeout=20)
        self.stream, self.told = self.socket.makefile("rb"), False

    def send(self, part: bytes) -> None:
        self.socket.sendall(part)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body; the status is 0 where the connection has ended in order."""
        first = self.stream.readline()
        if not first:
            return 0, {}, b""
        headers = {}
        while (line := self.stream.readline().strip()) != b"":
            name, _, value = line.decode().lower().partition(": ")
            headers[name] = value
        self.told = headers.get("connection") == "close"
        return int(first.split()[1]), headers, self.stream.read(int(headers.get("content-length", 0)))

    def ask(self, text: str = "hi") -> tuple[int, dict[str, str], bytes]:
        self.send(post(text))
        return self.answer()

    def read_until(self, wanted: bytes) -> None:
        while (line := self.stream.readline()) != wanted:
            assert line, f"the connection ended before {wanted!r}"

    def ended(self) -> bool:
        """Whether the other side ends it in order, with nothing more said."""
        return self.socket.recv(1) == b""


def post(text: str, task: str = "label", role: str = "text") -> bytes:
    body = json.dumps({role: text}).encode()
    head = f"POST /v1/{task} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


READY = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n"


def gone(url: str) -> bool:
    try:
        Connection(url)
    except ConnectionRefusedError:
        return True
    return False


def connections(url: str) -> Iterator[Connection]:
    """New ones, until none is taken."""
    while True:
        try:
            yield Connection(url)
        except ConnectionRefusedError:
            return
        time.sleep(0.01)


def test_requests_that_are_on_their_way_are_answered_and_told_that_the_connection_ends():
    with leaving(grace=1.0) as (url, _, end):
        kept, begun, headed, new = (Connection(url) for _ in range(4))
        for one in (kept, begun, headed):
            assert one.ask()[0] == 200 and not one.told
        begun.send(post("half")[:10])
        headed.send(post("half")[:-3])
        ready = Connection(url)
        ending = end()
        ready.send(READY)
        assert ready.answer()[0] == 503 and ready.told
        assert kept.ask("late")[2] == b'{"label":"a:late"}' and kept.told and kept.ended()
        assert Connection(url).ask()[0] == 200  # balancers need a while to see it
        time.sleep(1.2)  # the grace is over, but not for what has begun
        begun.send(post("half")[10:])
        headed.send(post("half")[-3:])
        for one in (begun, headed):
            assert one.answer()[2] == b'{"label":"a:half"}' and one.told and one.ended()
        assert new.ended() and gone(url)
        ending.join(5)
        assert not ending.is_alive()


def test_a_connection_made_just_before_listening_ends_has_time_for_its_request():
    with leaving(grace=0.8) as (url, _, end):
        end()
        made = list(connections(url))
        assert made[-1].ask()[0] == 200 and made[-1].told
        assert made[0].ended()


def test_what_the_model_works_on_is_answered_however_long_after_the_grace():
    engine = Pretend()
    with leaving(engine, grace=0.1) as (url, _, end):
        engine.gate.clear()
        held = [Connection(url) for _ in range(3)]
        for number, one in enumerate(held):
            one.send(post(str(number)))
        while not engine.asked:
            time.sleep(0.01)
        ending = end()
        time.sleep(0.4)
        engine.gate.set()
        assert [one.answer()[2] for one in held] == [f'{{"label":"a:{i}"}}'.encode() for i in range(3)]
        assert all(one.told and one.ended() for one in held)
        ending.join(5)
        assert not ending.is_alive()


def test_what_has_no_answer_when_the_time_is_over_is_refused_with_a_time_to_come_again():
    engine = Pretend()
    with leaving(engine, drain=0.4, grace=0.1) as (url, _, end):
        engine.gate.clear()
        one = Connection(url)
        one.send(post("for ever"))
        while not engine.asked:
            time.sleep(0.01)
        end()
        status, headers, body = one.answer()
        assert (status, headers["retry-after"], json.loads(body)["error"]["code"]) == (503, "1", "ending")
        assert one.told and one.ended()
        engine.gate.set()


def test_an_answer_begun_before_the_end_leaves_its_connection_open_for_one_more_request():
    engine = Pretend()
    with leaving(engine, grace=0.8) as (url, _, end):
        engine.steps = threading.Semaphore(1)
        one = Connection(url)
        one.send(post("one two", "say?stream=1", "source"))
        one.read_until(b"event: answer\n")
        end()
        time.sleep(0.3)
        engine.steps.release(10)
        one.read_until(b"event: end\n")
        one.read_until(b"0\r\n")  # of chunked transfer, the end
        one.read_until(b"\r\n")
        assert one.ask("more")[2] == b'{"label":"a:more"}' and one.told and one.ended()


def test_a_refusal_waits_for_the_body_so_that_it_is_seen():
    with leaving(grace=0.5) as (url, _, end):
        one, large = Connection(url), b"x" * 900_000
        end()
        head = f"POST /v1/nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(large)}\r\n\r\n".encode()
        one.send(head + large[:1000])
        time.sleep(0.1)
        one.send(large[1000:])
        assert one.answer()[0] == 404 and one.told and one.ended()


def test_no_client_of_many_that_ask_without_a_pause_meets_a_connection_that_was_just_closed():
    met: list[str] = []
    with leaving(grace=0.3) as (url, _, end):

        def client() -> None:
            one = None
            while True:
                try:
                    one = one or Connection(url)
                except ConnectionError:
                    return
                try:
                    status = one.ask()[0]
                except ConnectionError as error:
                    met.append(str(error))
                    return
                if status != 200:
                    met.append(f"status {status}")
                    return
                one = None if one.told else one

        clients = [threading.Thread(target=client, daemon=True) for _ in range(8)]
        for one in clients:
            one.start()
        time.sleep(0.2)
        end()
        for one in clients:
            one.join(20)
    assert not met
