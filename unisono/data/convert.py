"""convert: streams the records of a source into an Arrow file, in constant memory; bad rows go beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from unisono.data.mapped import Writer
from unisono.data.quarantine import SHOWN
from unisono.data.readers.base import Bad, Column, Record
from unisono.data.roles import JOINED, MEDIA, SIMPLE, Role, Unfit, arrow_type
from unisono.data.rows import BAD, FILE, ROW, UNIT

_ROWS = 4096  # of a record batch,
_CHARACTERS = 4 << 20  # or fewer when the rows are long


@dataclass(frozen=True)
class Plan:
    """Which columns make which role."""

    roles: Mapping[str, Role]
    columns: Mapping[str, Mapping[str, Column]]  # role -> key -> column
    named: frozenset[str] = frozenset()  # roles whose columns the user named: a misspelt one must not pass as absent

    @property
    def wanted(self) -> dict[Column, bool]:
        """Column -> the source must have it."""
        out: dict[Column, bool] = {}
        for name, role in self.roles.items():
            for column in self.columns[name].values():
                out[column] = out.get(column, False) or role.required or name in self.named
        return out

    @property
    def schema(self) -> pa.Schema:
        """Role columns, then where each row came from."""
        fields = [pa.field(n, arrow_type(r, list(self.columns[n]))) for n, r in self.roles.items()]
        return pa.schema([*fields, pa.field(UNIT, pa.int32()), pa.field(FILE, pa.string()), pa.field(ROW, pa.int64())])


def convert(
    sources: Sequence[tuple[str, Callable[[], Iterator[Record]]]],
    plan: Plan,
    folder: Path,
    *,
    fingerprint: str,
    counts: str,
) -> None:
    """Writes ``folder``: the rows, the bad rows, and the facts that ``Rows`` needs.

    Args:
        sources: (name for messages, what opens its records) of each file.
        counts: what row numbers count.
    """
    convert_row = _converter(plan)
    schema = plan.schema
    writer = Writer(folder, schema)
    try:
        with (folder / BAD).open("w", encoding="utf-8") as bad_file:
            bad = _Bad(bad_file)
            table: list[list[Any]] = [[] for _ in schema]
            characters = 0
            for unit, (unit_name, records) in enumerate(sources):
                for number, raw, file in records():
                    got = raw if isinstance(raw, Bad) else convert_row(raw)
                    if isinstance(got, Bad):
                        bad.add(file or unit_name, number, got)
                        continue
                    values, size = got
                    for column, value in zip(table, (*values, unit, file, number), strict=True):
                        column.append(value)
                    characters += size
                    if len(table[0]) >= _ROWS or characters >= _CHARACTERS:
                        _flush(table, schema, writer, bad, sources)
                        characters = 0
            _flush(table, schema, writer, bad, sources)
        writer.close(
            fingerprint=fingerprint,
            kinds={n: r.kind for n, r in plan.roles.items()},
            units=[name for name, _ in sources],
            counts=counts,
            bad=bad.count,
        )
    except BaseException:
        writer.abandon()
        raise


class _Bad:
    """The file of bad rows, and how many there are."""

    def __init__(self, file: TextIO) -> None:
        self._file, self.count = file, 0

    def add(self, file: str, row: int, bad: Bad) -> None:
        self.count += 1
        self._file.write(json.dumps({"file": file, "row": row, "reason": bad.reason, "text": bad.text[:SHOWN]}) + "\n")


def _converter(plan: Plan) -> Callable[[Mapping[Column, Any]], tuple[list[Any], int] | Bad]:
    """Raw row -> (the values of all roles, their size in characters), or why not."""
    steps: list[tuple[str, Mapping[str, Column], Column | None, Callable[[Any], Any], bool, str]] = []
    for name, role in plan.roles.items():
        columns = plan.columns[name]
        one = None if role.kind in JOINED else columns[""]
        function = JOINED[role.kind](list(columns)) if role.kind in JOINED else SIMPLE[role.kind]
        steps.append((name, columns, one, function, role.required, role.kind))
    names = list(plan.roles)
    words = [i for i, n in enumerate(names) if plan.roles[n].kind == "tokens"]
    tagged = [i for i, n in enumerate(names) if plan.roles[n].kind == "tags"] if len(words) == 1 else []

    def convert_row(raw: Mapping[Column, Any]) -> tuple[list[Any], int] | Bad:
        values: list[Any] = []
        size = 0
        for name, columns, one, function, required, kind in steps:
            got = {k: raw.get(c) for k, c in columns.items()} if one is None else raw.get(one)
            try:
                value = function(got)
            except Unfit as e:
                return Bad(f"{name} {e}", _shown(raw))
            if kind == "texts":
                given = [t for t in value.values() if t is not None]
                size += sum(map(len, given))
                if required and not given:
                    return Bad(f"empty {name}", _shown(raw))
            elif value is None:
                if required and kind in ("text", "tokens", "sequence", "image", "audio", "record"):
                    return Bad(f"empty {name}", _shown(raw))
            elif kind in ("text", "sequence"):
                size += len(value)
            elif kind == "record":
                size += sum(len(v) for v in value.values() if v is not None)
            elif kind in MEDIA:
                size += len(value["bytes"] or "") + len(value["path"] or "")
            elif kind == "answers":
                size += sum(8 + len(a["text"]) for a in value)
            elif kind == "references":
                size += sum(map(len, value))
            elif kind in ("tokens", "tags", "boxes"):
                size += 8 * len(value)
            values.append(value)
        for i in tagged:
            if values[i] is not None and (values[words[0]] is None or len(values[i]) != len(values[words[0]])):
                found = 0 if values[words[0]] is None else len(values[words[0]])
                return Bad(f"{len(values[i])} {names[i]} for {found} {names[words[0]]}", _shown(raw))
        return values, size

    return convert_row


def _flush(
    table: list[list[Any]],
    schema: pa.Schema,
    writer: Writer,
    bad: _Bad,
    sources: Sequence[tuple[str, Any]],
) -> None:
    """Writes the collected rows and empties the table."""
    try:
        batch = _batch(table, schema)
    except (UnicodeError, pa.ArrowException):  # half a surrogate pair, say, which is no text
        kept: list[list[Any]] = [[] for _ in schema]
        for values in zip(*table, strict=True):
            try:
                _batch([[v] for v in values], schema)
            except (UnicodeError, pa.ArrowException):
                unit, file, row = values[-3:]
                bad.add(file or sources[unit][0], row, Bad("not valid Unicode", ascii(values[:-3])))
            else:
                for column, value in zip(kept, values, strict=True):
                    column.append(value)
        batch = _batch(kept, schema)
    writer.write(batch)
    for column in table:
        column.clear()


def _batch(table: list[list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([pa.array(c, type=f.type) for c, f in zip(table, schema, strict=True)], schema=schema)


def _shown(raw: Mapping[Column, Any]) -> str:
    values = [str(v)[:SHOWN] for v in raw.values() if v is not None]
    return " | ".join(values)[:SHOWN]
