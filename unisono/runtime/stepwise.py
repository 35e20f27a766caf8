"""stepwise: work done in steps, between which other work may come."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Known = TypeVar("Known")
Found = TypeVar("Found")


def finish(steps: Generator[Known, None, Found]) -> Found:
    """Takes all steps; returns what the generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Found = end.value
            return found
