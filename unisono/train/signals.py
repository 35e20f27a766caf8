"""Signals: SIGTERM and Ctrl-C ask a training to end its step, save and leave."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def asked_to_stop(ask: Callable[[str], bool]) -> Iterator[None]:
    """While open, SIGTERM and SIGINT call ``ask`` with their name; a SIGINT that it refuses raises KeyboardInterrupt.

    Outside the main thread signals are left to whoever owns it.
    """

    def hear(number: int, frame: FrameType | None) -> None:
        if not ask(signal.Signals(number).name) and number == signal.SIGINT:
            raise KeyboardInterrupt

    try:
        before = {s: signal.signal(s, hear) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
