"""Rows: one split of one task, read in place from a memory-mapped Arrow file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unisono.data.mapped import Mapped
from unisono.data.quarantine import BadRow
from unisono.data.roles import MEDIA

UNIT, FILE, ROW = "_unit", "_file", "_row"  # columns that say where a row came from
BAD = "bad.jsonl"


class Rows:
    """Rows as dicts role -> value, None where a value is missing. Picklable: another process maps the same file.

    Args:
        folder: a cache entry made by ``convert``.
        index: the rows of the entry that these are, ascending; None for all.
    """

    def __init__(self, folder: Path, index: np.ndarray | None = None) -> None:
        self._mapped = Mapped(folder)
        self._index = index
        self._roles: list[str] = [n for n in self._mapped.schema.names if n not in (UNIT, FILE, ROW)]
        self.kinds: dict[str, str] = self._mapped.meta["kinds"]
        self.fingerprint: str = self._mapped.meta["fingerprint"]
        if index is not None:
            digest = hashlib.sha256(self.fingerprint.encode())
            digest.update(np.ascontiguousarray(index).data)
            self.fingerprint = digest.hexdigest()

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self._roles)

    def __len__(self) -> int:
        return len(self._mapped) if self._index is None else len(self._index)

    def __getitem__(self, i: int) -> dict[str, Any]:
        k, j = self._find(i)
        batch = self._mapped.batch(k)
        row = {name: batch.column(c)[j].as_py() for c, name in enumerate(self._roles)}
        self._mapped.touched(3 * len(self._roles))
        return row

    def __iter__(self) -> Iterator[dict[str, Any]]:
        roles = self._roles
        for batch in self.record_batches():
            columns = [batch.column(c).to_pylist() for c in range(len(roles))]
            for values in zip(*columns, strict=True):
                yield dict(zip(roles, values, strict=True))

    def record_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow record batches, role columns first: for counting without making dicts."""
        for batch, local in self._pieces():
            yield batch if local is None else batch.take(local)

    def files(self) -> Iterator[str]:
        """The files that the rows name, in their order, those whose bytes lie in the rows left out."""
        named = [c for c, name in enumerate(self._roles) if self.kinds[name] in MEDIA]
        for batch, local in self._pieces() if named else ():
            for c in named:
                path, held = batch.column(c).flatten()  # before any are chosen: no bytes are copied
                wanted = pc.and_(path.is_valid(), held.is_null())
                if local is not None:
                    path, wanted = path.take(local), wanted.take(local)
                yield from path.filter(wanted).to_pylist()

    def _pieces(self) -> Iterator[tuple[pa.RecordBatch, pa.Array | None]]:
        """Batches of the entry that hold some of these rows, and which of the batch's rows they are; None: all."""
        if self._index is None:
            yield from ((batch, None) for batch in self._mapped.batches())
            return
        starts = np.asarray(self._mapped.starts, self._index.dtype)  # of one type, or numpy would copy the index
        cuts = np.searchsorted(self._index, starts)
        for k, batch in enumerate(self._mapped.batches()):
            local = self._index[cuts[k] : cuts[k + 1]] - starts[k]
            if len(local):
                yield batch, pa.array(local)

    def chunks(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """The rows in lists of ``size``, the last one shorter."""
        rows = iter(self)
        while chunk := list(islice(rows, size)):
            yield chunk

    def origin(self, i: int) -> tuple[str, int]:
        """(file, number of the row in it): the line, or the row of a table, from 1."""
        k, j = self._find(i)
        batch = self._mapped.batch(k)
        file = batch.column(FILE)[j].as_py() or self._mapped.meta["units"][batch.column(UNIT)[j].as_py()]
        return file, batch.column(ROW)[j].as_py()

    def places(self) -> np.ndarray:
        """(n,) uint64: a number for each row's place in its source, the same for every task that reads the same files.

        Of a file's name and a row's number in it, hashed: that two of n places get the same number has the chance
        n² / 2⁶⁵.
        """
        units = np.array([_hashed(name) for name in self._mapped.meta["units"]], np.uint64)
        out = [np.empty(0, np.uint64)]
        for batch in self.record_batches():
            of, own = batch.column(UNIT).to_numpy(zero_copy_only=False), batch.column(FILE)
            files = units[of]
            if own.null_count < len(own):  # a folder of files: few rows each, and each file has a name of its own
                known = own.to_pylist()
                files = np.array([f if n is None else _hashed(n) for f, n in zip(files, known, strict=True)], np.uint64)
            numbers = batch.column(ROW).to_numpy(zero_copy_only=False).astype(np.uint64)
            out.append(files + numbers * np.uint64(0x9E3779B97F4A7C15))
        return np.concatenate(out)

    @property
    def counts(self) -> str:
        """What the row number of ``origin`` counts: "line", "row" or "file"."""
        return str(self._mapped.meta["counts"])

    def select(self, index: np.ndarray) -> Rows:
        """Some of these rows, in the order they have here.

        Args:
            index: (n,) integers, which rows.
        """
        if np.any(index[:-1] > index[1:]):
            index = np.sort(index)
        if self._index is not None:
            index = self._index[index]
        small = np.int32 if len(self._mapped) < 2**31 else np.int64
        return Rows(self._mapped.folder, index.astype(small, copy=False))

    def bad(self) -> Iterator[BadRow]:
        """The rows of the source that could not be read, those of a sibling cut from the same source included."""
        with (self._mapped.folder / BAD).open(encoding="utf-8") as f:
            for line in f:
                yield BadRow(**json.loads(line), counts=self.counts)

    @property
    def bad_count(self) -> int:
        return int(self._mapped.meta["bad"])

    def _find(self, i: int) -> tuple[int, int]:
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"row {i} of {n}")
        i = i % n
        return self._mapped.find(i if self._index is None else int(self._index[i]))

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows, (self._mapped.folder, self._index)

    def __repr__(self) -> str:
        return f"Rows({len(self)} rows, roles {', '.join(self._roles)})"


def _hashed(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")
