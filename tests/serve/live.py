"""A server in a thread of this process, at a port of its own: real sockets, no model."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.serve.pretend import Pretend
from unisono.serve.app import LOOPBACK, Limits, Server
from unisono.serve.batcher import Batcher
from unisono.serve.run import settings_of_uvicorn


@contextmanager
def live(engine=None, *, token: str | None = None, body: int = 1_000_000, seconds: float = 20.0) -> Iterator[tuple]:
    """(address, server)."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen()  # who comes before it has begun waits
    server = Server(Batcher(engine or Pretend()), limits=Limits(body, seconds), token=token, hosts=LOOPBACK)
    web = uvicorn.Server(uvicorn.Config(server.app, **settings_of_uvicorn(drain=5)))
    web.capture_signals = _none  # there are none in a thread
    thread = threading.Thread(target=asyncio.run, args=(web.serve(sockets=[bound]),), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}", server
    finally:
        web.should_exit = True
        thread.join(20)


@contextmanager
def _none() -> Iterator[None]:
    yield
