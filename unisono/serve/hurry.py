"""Hurry: a connection whose request's head does not come is closed; uvicorn itself would wait for it for ever. And it
says whether there is a request on it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

SECONDS = 15.0  # from a connection's beginning, or from a head's first byte, to its last


def hurried() -> type[asyncio.Protocol]:
    """The protocol that uvicorn would choose, with a bound."""
    base: Any = AutoHTTPProtocol
    seconds = SECONDS

    class Hurried(base):
        _alarm: asyncio.TimerHandle | None = None
        _begun = False  # a part of a head is here

        @property
        def busy(self) -> bool:
            """Whether a request is being answered, or a part of one has come."""
            return self._begun or self._answering

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._look()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._begun = not self._answering
            self._look()

        def connection_lost(self, error: Exception | None) -> None:
            self._rest()
            super().connection_lost(error)

        @property
        def _answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _look(self) -> None:
            if self._answering:
                self._rest()
            elif self._alarm is None:
                self._alarm = self.loop.call_later(seconds, self.transport.close)

        def _rest(self) -> None:
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    return Hurried
