"""parquet and arrow: columnar files, streamed batch by batch. Class numbers become the names stored with them."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, plain_file
from unisono.data.readers.jsonl import flat, pick
from unisono.data.readers.names import names_in_schema, renamed

_ROWS = 1024


class _Columnar(Reader):
    counts = "row"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        columns = tuple(settings.wanted)
        number = 0
        with _open(source) as file:
            try:
                schema, batches = self._batches(file, settings)
                names = names_in_schema(schema)
                for batch in batches:
                    for row in _pylist(batch):
                        number += 1
                        yield Record(number, row if isinstance(row, Bad) else pick(renamed(row, names), columns))
            except (pa.ArrowException, OSError, UnicodeDecodeError) as e:  # the last: names of columns
                said = str(e).splitlines()[0][:200] if str(e) else type(e).__name__
                raise DataError(f"{source} is not readable as {self.name} after row {number}: {said}") from e

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        with _open(source) as file:
            try:
                schema, batches = self._batches(file, Settings({}))
                names = names_in_schema(schema)
                rows = islice((row for batch in batches for row in _pylist(batch)), count)
                return [flat(renamed(row, names)) for row in rows if not isinstance(row, Bad)]
            except (pa.ArrowException, OSError, UnicodeDecodeError) as e:  # the last: names of columns
                raise DataError(f"{source} is not readable as {self.name}: {str(e).splitlines()[0][:200]}") from e

    def _batches(self, file: Any, settings: Settings) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        raise NotImplementedError


class Parquet(_Columnar):
    name = "parquet"
    suffixes = (".parquet", ".pq")

    def _batches(self, file: Any, settings: Settings) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        table = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
        schema = table.schema_arrow
        only = _only(schema, settings)
        return schema, table.iter_batches(batch_size=_ROWS, columns=only, use_threads=False)


class Arrow(_Columnar):
    """Arrow IPC files (Feather version 2) and streams."""

    name = "arrow"
    suffixes = (".arrow", ".feather", ".ipc", ".arrows")

    def _batches(self, file: Any, settings: Settings) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        try:
            table = pa.ipc.open_file(file)
        except pa.ArrowInvalid:
            file.seek(0)
            stream = pa.ipc.open_stream(file)
            only = _only(stream.schema, settings)
            return stream.schema, (_slice for b in stream for _slice in _slices(b if only is None else b.select(only)))
        only = _only(table.schema, settings)
        parts = (table.get_batch(i) for i in range(table.num_record_batches))
        return table.schema, (_slice for b in parts for _slice in _slices(b if only is None else b.select(only)))


def _only(schema: pa.Schema, settings: Settings) -> list[str] | None:
    """The columns to read; None for all of them."""
    if not settings.wanted:
        return None
    settings.require(schema.names, "the table")
    tops = [c if c in schema.names else str(c).split(".")[0] for c in settings.wanted]
    return [str(c) for c in dict.fromkeys(tops) if c in schema.names]


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """One Arrow batch may be the whole file; Python objects are made of a part at a time."""
    for start in range(0, batch.num_rows, _ROWS):
        yield batch.slice(start, _ROWS)


def _pylist(batch: pa.RecordBatch) -> Iterator[dict[Any, Any] | Bad]:
    """The rows as dicts. Checked first: offsets of a damaged file would lead out of the file and crash the process."""
    try:
        batch.validate(full=True)
        yield from batch.to_pylist()
    except (pa.ArrowInvalid, UnicodeDecodeError):
        for i in range(batch.num_rows):
            one = batch.slice(i, 1)
            try:
                one.validate(full=True)
                yield one.to_pylist()[0]
            except (pa.ArrowInvalid, UnicodeDecodeError):
                yield Bad("damaged or not valid utf-8")


@contextmanager
def _open(source: Path) -> Iterator[Any]:
    """The file, mapped; a gzipped one is unpacked into a temporary file, as these formats are read out of order."""
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(plain_file(source).open("rb"))
            if raw.read(2) != b"\x1f\x8b":
                raw.close()
                file: Any = pa.memory_map(str(source)) if source.stat().st_size else pa.BufferReader(b"")
            else:
                raw.seek(0)
                unpacked = stack.enter_context(tempfile.NamedTemporaryFile())
                with gzip.open(raw) as packed:
                    shutil.copyfileobj(cast(BinaryIO, packed), unpacked, 1 << 20)
                unpacked.flush()
                file = pa.memory_map(unpacked.name)
        except (EOFError, gzip.BadGzipFile, zlib.error) as e:
            raise DataError(f"{source}: the gzip file is damaged or cut short ({e}); fetch it again") from e
        except (OSError, pa.ArrowException) as e:
            raise DataError(f"{source} cannot be read: {e}") from e
        yield file
