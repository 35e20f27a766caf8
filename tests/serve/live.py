"""A server in a thread of this process, at a port of its own: real sockets, no model."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.serve.pretend import Pretend
from unisono.serve.app import LOOPBACK, Limits, Server
from unisono.serve.batcher import Batcher
from unisono.serve.ending import Web


@contextmanager
def live(engine=None, **how) -> Iterator[tuple[str, Server]]:
    """(address, server)."""
    with leaving(engine, **how) as (url, server, _):
        yield url, server


@contextmanager
def leaving(
    engine=None,
    *,
    token: str | None = None,
    body: int = 1_000_000,
    seconds: float = 20.0,
    drain: float = 5.0,
    grace: float = 0.0,
) -> Iterator[tuple[str, Server, Callable[[], threading.Thread]]]:
    """(address, server, what tells it to end and gives the thread that then does)."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen()  # who comes before it has begun waits
    server = Server(Batcher(engine or Pretend()), limits=Limits(body, seconds), token=token, hosts=LOOPBACK)
    web = Web(server, drain=drain, grace=grace)
    thread = threading.Thread(target=asyncio.run, args=(web.serve(sockets=[bound]),), daemon=True)
    thread.start()

    def end() -> threading.Thread:
        web.handle_exit(signal.SIGTERM, None)
        return thread

    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}", server, end
    finally:
        end().join(20)
