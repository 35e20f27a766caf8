"""encode: streams rows through a task's encoder into Examples, in constant memory and once: the result is cached."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from unisono.data.examples import LENGTH, SOURCE, Examples
from unisono.data.fingerprint import files_state
from unisono.data.fingerprint import fingerprint as hashed
from unisono.data.mapped import Mapped, Writer, entry
from unisono.data.quarantine import SHOWN, BadRow, Quarantine
from unisono.data.rows import BAD, Rows

# One encoded row, or several examples that were made of it, or why it cannot be.
Encoded = dict[str, np.ndarray] | list[dict[str, np.ndarray]] | str
_FORM = 3
_VALUES = 4 << 20  # integers and floats of a record batch


def encode(
    rows: Rows,
    encode_batch: Callable[[list[dict[str, object]]], Sequence[Encoded]],
    fingerprint: str,
    cache: Path,
    *,
    task: str = "",
    split: str = "",
    quarantine: Quarantine | None = None,
    batch: int = 512,
    length: Callable[[dict[str, np.ndarray]], int] = lambda arrays: len(arrays.get("ids", ())),
) -> Examples:
    """Encodes all rows, or finds them encoded already: the same rows, naming files of the same sizes and times.

    Args:
        rows: what to encode.
        encode_batch: rows -> for each its arrays (1-D, integers, bytes or floats), or a list of such examples, or why
            the row is bad.
        fingerprint: names all that ``encode_batch`` depends on: tokenizer, labels, options.
        cache: folder of encoded rows.
        quarantine: takes the bad rows, under ``task`` and ``split``.
        batch: rows given to ``encode_batch`` at once.
        length: the length of an encoded row; ``fingerprint`` names what it depends on, too.

    Raises:
        DataError: too many rows are bad.
        ValueError: ``encode_batch`` broke its contract.
    """
    name = hashed(_FORM, rows.fingerprint, fingerprint, files_state(rows.files()))
    folder = cache / f"examples-{name[:32]}"
    examples = entry(folder, lambda f: _build(rows, encode_batch, f, name, batch, length), Examples)
    if quarantine is not None:
        quarantine.report(task, split, _bad(folder, rows), len(rows), key=f"{task}/{split}/{name}")
    return examples


def _build(
    rows: Rows,
    encode_batch: Callable[[list[dict[str, object]]], Sequence[Encoded]],
    folder: Path,
    name: str,
    size: int,
    length: Callable[[dict[str, np.ndarray]], int],
) -> None:
    fields: dict[str, pa.DataType] = {}
    writer: Writer | None = None
    pending: list[tuple[int, dict[str, np.ndarray]]] = []
    held = bad = at = 0
    with (folder / BAD).open("w", encoding="utf-8") as bad_file:
        for chunk in rows.chunks(size):
            results = encode_batch(chunk)
            if len(results) != len(chunk):
                raise ValueError(f"encode_batch made {len(results)} results of {len(chunk)} rows")
            for row, result in zip(chunk, results, strict=True):
                if isinstance(result, str):
                    bad += 1
                    shown = " | ".join(str(v)[:SHOWN] for v in row.values() if v is not None)[:SHOWN]
                    bad_file.write(json.dumps({"source": at, "reason": result, "text": shown}) + "\n")
                else:
                    for one in [result] if isinstance(result, dict) else result:
                        arrays = {field: _array(field, value) for field, value in one.items()}
                        held += sum(a.size for a in arrays.values())
                        pending.append((at, arrays))
                at += 1
            if held >= _VALUES or len(pending) >= 8192:
                writer = _flush(pending, fields, writer, folder, length)
                held = 0
    writer = _flush(pending, fields, writer, folder, length)
    writer.close(fingerprint=name, bad=bad)


def _flush(
    pending: list[tuple[int, dict[str, np.ndarray]]],
    fields: dict[str, pa.DataType],
    writer: Writer | None,
    folder: Path,
    length: Callable[[dict[str, np.ndarray]], int],
) -> Writer:
    """Writes the pending examples. A field that shows up late makes the file anew; rows written before lack it."""
    known = dict(fields)
    for _, arrays in pending:
        for field, array in arrays.items():
            kind = pa.from_numpy_dtype(array.dtype)
            if fields.setdefault(field, kind) != kind:
                raise ValueError(f'field "{field}" has {fields[field]} in one row and {kind} in another')
    if writer is None:
        writer = Writer(folder, _schema(fields))
    elif fields != known:
        writer = _widened(writer, fields, folder)
    if pending:
        columns = [_lists([arrays.get(field) for _, arrays in pending], kind) for field, kind in fields.items()]
        source = pa.array([at for at, _ in pending], pa.int32())
        lengths = pa.array([length(arrays) for _, arrays in pending], pa.int32())
        writer.write(pa.record_batch([*columns, source, lengths], schema=_schema(fields)))
        pending.clear()
    return writer


def _schema(fields: dict[str, pa.DataType]) -> pa.Schema:
    lists = [pa.field(name, pa.list_(kind)) for name, kind in fields.items()]
    return pa.schema([*lists, pa.field(SOURCE, pa.int32()), pa.field(LENGTH, pa.int32())])


def _widened(writer: Writer, fields: dict[str, pa.DataType], folder: Path) -> Writer:
    """The same examples in a file with more fields."""
    writer.close(fingerprint="", bad=0)
    old = folder / "narrow"
    old.mkdir()
    for path in folder.iterdir():
        if path.is_file() and path.name != BAD:
            path.rename(old / path.name)
    schema = _schema(fields)
    wide = Writer(folder, schema)
    for batch in Mapped(old).batches():
        wide.write(
            pa.record_batch(
                [
                    batch.column(f.name) if f.name in batch.schema.names else pa.nulls(len(batch), f.type)
                    for f in schema
                ],
                schema=schema,
            )
        )
    for path in old.iterdir():
        path.unlink()
    old.rmdir()
    return wide


def _lists(arrays: Sequence[np.ndarray | None], kind: pa.DataType) -> pa.ListArray:
    given = [a for a in arrays if a is not None]
    lengths = np.array([0 if a is None else len(a) for a in arrays], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = pa.array(np.concatenate(given) if given else np.zeros(0, kind.to_pandas_dtype()), kind)
    missing = None if len(given) == len(arrays) else pa.array([a is None for a in arrays])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=missing)


def _array(field: str, value: object) -> np.ndarray:
    """(L,) int32, float32 or uint8."""
    array = np.asarray(value)
    if array.ndim != 1:
        raise ValueError(f'field "{field}" must have one dimension, has {array.ndim}')
    if array.dtype in (np.int32, np.float32, np.uint8):
        return array
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind not in "iub":
        raise ValueError(f'field "{field}" must hold integers or floats, holds {array.dtype}')
    out = array.astype(np.int32)
    if array.dtype.kind != "b" and not np.array_equal(out, array):
        raise ValueError(f'field "{field}" has a number that does not fit 32 bits')
    return out


def _bad(folder: Path, rows: Rows) -> Iterator[BadRow]:
    with (folder / BAD).open(encoding="utf-8") as f:
        for line in f:
            b = json.loads(line)
            file, row = rows.origin(b["source"])
            yield BadRow(file, row, b["reason"], b["text"], rows.counts)
