"""Mapped: an Arrow file that is read in place, whatever its size, and gives back the memory it has touched."""

from __future__ import annotations

import json
import mmap
import os
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from unisono.data.leftovers import sweep, workplace

T = TypeVar("T")

_KEEP = 32 << 20  # bytes of a mapping that may be resident before they are given back
_FAULT = 64 << 10  # bytes: what one touch may bring in, as Linux maps the neighbours of a page with it
_BATCHES = 1024  # opened record batches kept; each is a few KB of descriptors, not data
_META = "meta.json"
_ARROW = "rows.arrow"


class Mapped:
    """Record batches of a memory-mapped Arrow IPC file.

    Args:
        folder: a cache entry written by ``Writer``.

    Raises:
        ValueError: the entry is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta: dict[str, Any] = json.loads((folder / _META).read_text("utf-8"))
        with (folder / _ARROW).open("rb") as f:
            if os.fstat(f.fileno()).st_size != self.meta["bytes"]:
                raise ValueError(f"{folder / _ARROW} is damaged")
            self._map = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        self._reader = pa.ipc.open_file(pa.py_buffer(self._map))
        self.schema: pa.Schema = self._reader.schema
        self.starts: list[int] = self.meta["starts"]  # first row of each batch, and at the end the number of rows
        self._opened: dict[int, pa.RecordBatch] = {}
        self._touched = 0
        self._small = self.meta["bytes"] <= _KEEP or not hasattr(mmap, "MADV_DONTNEED")

    def __len__(self) -> int:
        return self.starts[-1]

    def find(self, i: int) -> tuple[int, int]:
        """(batch, row in the batch) of row ``i``."""
        batch = bisect_right(self.starts, i) - 1
        return batch, i - self.starts[batch]

    def batch(self, k: int) -> pa.RecordBatch:
        """The k-th record batch: descriptors only, its values stay in the file."""
        found = self._opened.get(k)
        if found is None:
            if len(self._opened) >= _BATCHES:
                self._opened.clear()
            found = self._opened[k] = self._reader.get_batch(k)
        return found

    def touched(self, places: int) -> None:
        """Says that ``places`` far apart have been read; now and then the pages go back to the system.

        The file stays in the page cache as long as there is room, so reading them again costs a soft fault.
        """
        if self._small:
            return
        self._touched += places * _FAULT
        if self._touched >= _KEEP:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All batches in order, each forgotten as soon as the next is asked for."""
        for k in range(len(self.starts) - 1):
            batch = self._reader.get_batch(k)
            yield batch
            self.touched(batch.nbytes // _FAULT + 1)


class Writer:
    """Writes record batches and a few facts into a folder; readers see nothing before ``entry`` renames it."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder = folder
        self._file = (folder / _ARROW).open("wb")
        self._writer = pa.ipc.new_file(self._file, schema)
        self.starts = [0]

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends a batch; an empty one is left out."""
        if batch.num_rows:
            self._writer.write_batch(batch)
            self.starts.append(self.starts[-1] + batch.num_rows)

    def close(self, **facts: Any) -> None:
        """Ends the file and writes the facts beside it."""
        self._writer.close()
        self._file.flush()
        size = self._file.tell()
        self._file.close()
        (self.folder / _META).write_text(json.dumps({"bytes": size, "starts": self.starts, **facts}), "utf-8")

    def abandon(self) -> None:
        """Closes the file of a conversion that failed."""
        self._file.close()


def entry(folder: Path, build: Callable[[Path], None], opened: Callable[[Path], T]) -> T:
    """The cache entry ``folder``, built first when it is not there or damaged.

    It is built under another name, flushed to the disk and renamed: a reader sees all of it or nothing, and of two
    processes that build the same entry one wins.
    """
    if folder.is_dir():
        try:
            return opened(folder)
        except (OSError, ValueError, KeyError, pa.ArrowException):
            shutil.rmtree(folder, ignore_errors=True)
    sweep(folder.parent)
    temporary = workplace(folder)
    temporary.mkdir(parents=True)
    try:
        build(temporary)
        for path in (*temporary.iterdir(), temporary):
            _sync(path)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
        _sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return opened(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
