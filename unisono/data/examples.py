"""Examples: encoded rows, integers and floats ready for a pack, read in place from a memory-mapped Arrow file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from unisono.data.mapped import Mapped

SOURCE, LENGTH = "_source", "_length"


class Examples:
    """One array per field and row; a field that a row does not have is not in its dict. Picklable like Rows.

    Args:
        folder: a cache entry made by ``encode``.
    """

    def __init__(self, folder: Path) -> None:
        self._mapped = Mapped(folder)
        self._fields = [n for n in self._mapped.schema.names if n not in (SOURCE, LENGTH)]
        self._views: dict[int, list[_View]] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self._fields)

    @property
    def fingerprint(self) -> str:
        return str(self._mapped.meta["fingerprint"])

    def __len__(self) -> int:
        return len(self._mapped)

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        """field -> (L,) int32, float32 or uint8, read-only views of the file."""
        n = len(self._mapped)
        if not -n <= i < n:
            raise IndexError(f"example {i} of {n}")
        k, j = self._mapped.find(i % n)
        views = self._views.get(k)
        if views is None:
            views = self._open(k)
        self._mapped.touched(2 * len(views))
        return {
            name: values[offsets[j] : offsets[j + 1]]
            for name, values, offsets, there in views
            if there is None or there[j]
        }

    @cached_property
    def lengths(self) -> np.ndarray:
        """(n,) int32: what each example costs: how many vectors the trunk gets of it."""
        return self._column(LENGTH)

    @cached_property
    def source(self) -> np.ndarray:
        """(n,) int32, ascending: which of the rows each example was made of; bad rows left gaps, and a row of which
        several examples were made has its number on each.
        """
        return self._column(SOURCE)

    @property
    def bad_count(self) -> int:
        """How many rows could not be encoded."""
        return int(self._mapped.meta["bad"])

    def _column(self, name: str) -> np.ndarray:
        parts = [batch.column(name).to_numpy() for batch in self._mapped.batches()]
        out: np.ndarray = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return out

    def _open(self, k: int) -> list[_View]:
        if len(self._views) >= 1024:
            self._views.clear()
        batch = self._mapped.batch(k)
        self._views[k] = [_view(name, batch.column(name)) for name in self._fields]
        return self._views[k]

    def __reduce__(self) -> tuple[Any, ...]:
        return Examples, (self._mapped.folder,)

    def __repr__(self) -> str:
        return f"Examples({len(self)} examples, fields {', '.join(self._fields)})"


_View = tuple[
    str, np.ndarray, np.ndarray, "np.ndarray | None"
]  # field, values, offsets, which rows have it (None: all)


def _view(name: str, column: pa.ListArray) -> _View:
    offsets = np.frombuffer(column.buffers()[1], np.int32, count=len(column) + 1, offset=4 * column.offset)
    values = column.values.to_numpy(zero_copy_only=True)
    there = None if column.null_count == 0 else column.is_valid().to_numpy(zero_copy_only=False)
    return name, values, offsets, there
