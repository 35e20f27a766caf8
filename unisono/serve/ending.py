"""Ending: the end of a server that no client notices but by being told to connect anew."""

from __future__ import annotations

import asyncio
import math
import selectors
import socket
import time
from typing import Any

import uvicorn

from unisono.serve.app import Server
from unisono.serve.hurry import hurried

BACKLOG = 1024  # connections that nobody has taken yet
GRACE = 1.0  # seconds for requests that are on their way, and for whoever asks whether the server is ready
_LOOK = 0.02  # seconds between two looks at the connections
_ROUNDS = 1000  # of the event loop, to take the connections that wait when listening ends


class Web(uvicorn.Server):
    """uvicorn, with an end in three steps once it is told to.

    From then on each answer ends its connection, by its header, so that clients do not send another request there;
    ``/readyz`` says no. New connections are taken for ``grace`` seconds more, as balancers need a while to see it. A
    connection without a request is closed after ``grace`` seconds of silence; one with a request after its answer.
    What has no answer after ``drain`` seconds is refused.

    Args:
        server: whose routes are served.
        drain: seconds from the signal to the last connection's end, at most.
    """

    def __init__(self, server: Server, *, drain: float, grace: float = GRACE) -> None:
        super().__init__(
            uvicorn.Config(
                server.app, log_level="error", access_log=False, server_header=False, lifespan="on", ws="none",
                http=hurried(), timeout_keep_alive=30, backlog=BACKLOG,
            )
        )  # fmt: skip
        self._unisono = server
        self._drain, self._grace = drain, min(grace, drain / 2)

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._unisono.draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._unisono.draining = True
        begin = now = time.monotonic()
        silent: dict[Any, float] = {}  # connection -> since when
        listening = True
        while (listening or self.server_state.connections) and now < begin + self._drain and not self.force_exit:
            if listening and now >= begin + self._grace:
                await self._stop_listening(sockets or [])
                listening = False
            for connection in list(self.server_state.connections):
                if connection.busy:  # type: ignore[union-attr]
                    silent.pop(connection, None)
                elif now - silent.setdefault(connection, now) >= self._grace and not _readable(_of(connection)):
                    connection.shutdown()
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
        self.config.timeout_graceful_shutdown = max(0, math.ceil(begin + self._drain - now))
        await super().shutdown(sockets)

    async def _stop_listening(self, sockets: list[socket.socket]) -> None:
        """Takes the connections that the kernel has accepted: it would reset them. A connection is taken in two rounds
        of the event loop, in the first of which it is no longer to be seen and does not exist yet.
        """
        empty = 0
        for _ in range(_ROUNDS):
            empty = 0 if any(map(_readable, sockets)) else empty + 1
            if empty == 4:
                break
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()


def _of(connection: Any) -> Any:
    return connection.transport.get_extra_info("socket")


def _readable(source: Any) -> bool:
    """Whether there is something to read, or to accept, that the event loop has not seen yet."""
    if source.fileno() < 0:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        return bool(selector.select(0))
