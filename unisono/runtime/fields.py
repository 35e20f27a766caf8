"""Fields: the entries of a JSON object from outside, each of the type and in the range that is expected of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from .errors import Damaged


class Fields:
    """A JSON object whose entries are checked as they are read.

    Args:
        values: the object. ``where``: its place, for messages.
    """

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise Damaged(f"{where}: an object is expected, not {_said(values)}")
        self.values, self.where = values, where

    def text(self, name: str, of: Collection[str] = ()) -> str:
        """A string, one of some."""
        value = self._get(name)
        if not isinstance(value, str) or not value or (of and value not in of):
            raise self.wrong(name, " or ".join(of) if of else "a text")
        return value

    def texts(self, name: str, *, least: int = 0) -> tuple[str, ...]:
        """Different strings."""
        value = self._get(name)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(name, "a list of texts")
        if len(set(value)) < len(value) or len(value) < least:
            raise self.wrong(name, f"different texts, at least {least}")
        return tuple(value)

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number in a range, both ends included."""
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(name, f"a whole number from {low} to {high}")
        return value

    def wholes(self, name: str, count: int | None, low: int, high: int) -> tuple[int, ...]:
        """Whole numbers in a range; ``count`` of them, None: any number."""
        value = self._get(name)
        if (
            not isinstance(value, list)
            or (count is not None and len(value) != count)
            or not all(isinstance(v, int) and not isinstance(v, bool) and low <= v <= high for v in value)
        ):
            raise self.wrong(name, f"{count if count is not None else 'some'} whole numbers from {low} to {high}")
        return tuple(value)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(name, "a finite number")
        return float(value)

    def colours(self, name: str) -> int:
        """Channels of an image: 3 for RGB, 1 for grey."""
        if (found := self.whole(name, 1, 3)) == 2:
            raise self.wrong(name, "1 or 3")
        return found

    def numbers(self, name: str) -> tuple[float, ...]:
        """Finite numbers."""
        value = self._get(name)
        if not isinstance(value, list) or any(
            isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in value
        ):
            raise self.wrong(name, "finite numbers")
        return tuple(float(v) for v in value)

    def flag(self, name: str) -> bool:
        value = self._get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """float32 of a shape, from lists of finite numbers."""
        try:
            value = np.array(self._get(name), dtype=np.float32)
        except (TypeError, ValueError):
            raise self.wrong(name, f"numbers of the shape {shape}") from None
        if value.shape != shape or not np.isfinite(value).all():
            raise self.wrong(name, f"finite numbers of the shape {shape}")
        return value

    def within(self, name: str) -> Fields:
        """An object in this one."""
        return Fields(self._get(name), f"{self.where}: {name}")

    def each(self) -> Iterator[tuple[str, Fields]]:
        """The objects of an object of objects."""
        for name in self.values:
            yield name, self.within(name)

    def has(self, name: str) -> bool:
        """Whether there is such an entry, and not null."""
        return self.values.get(name) is not None

    def wrong(self, name: str, expected: str) -> Damaged:
        """The error of an entry that is not as expected."""
        return Damaged(f'{self.where}: "{name}": {expected} is expected, not {_said(self.values.get(name))}')

    def _get(self, name: str) -> Any:
        if name not in self.values:
            raise Damaged(f'{self.where}: "{name}" is missing')
        return self.values[name]


def _said(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:50]} ..."
