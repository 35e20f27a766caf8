"""jsonl: one JSON object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, dig
from unisono.data.readers.text import head, lines


class JsonLines(Reader):
    name = "jsonl"
    suffixes = (".jsonl", ".ndjson", ".json")

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        columns = tuple(settings.wanted)
        keys: dict[Any, None] = {}  # every key seen so far: a wanted column that no row has is a mistake in the recipe
        good = False
        for number, line in lines(source, settings.encoding):
            if isinstance(line, Bad):
                yield Record(number, line)
                continue
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as e:
                if not good and line.lstrip().startswith("["):
                    raise DataError(f"{source} is one JSON array: say format: array") from e
                yield Record(number, Bad("not valid JSON", line[:200]))
                continue
            if isinstance(row, list) and all(isinstance(c, int) for c in columns):
                row = dict(enumerate(row))
            if not isinstance(row, dict):
                yield Record(number, Bad("not a JSON object", line[:200]))
                continue
            good = True
            if len(keys) < 1000:
                keys.update(dict.fromkeys(row))
            yield Record(number, pick(row, columns))
        if good:
            settings.require(keys, str(source))

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        rows: list[dict[Column, Any]] = []
        for line in head(source, settings.encoding, count):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                rows.append(flat(row))
        return rows


def flat(row: dict[Any, Any]) -> dict[Column, Any]:
    """Objects in a row spread out: {"a": {"b": 1}} -> {"a.b": 1}."""
    out: dict[Column, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            out.update({f"{key}.{k}": v for k, v in flat(value).items()})
        else:
            out[key] = value
    return out


def pick(row: dict[Any, Any], columns: tuple[Column, ...]) -> dict[Column, Any]:
    """The wanted columns of a nested row."""
    return {c: row[c] if c in row else dig(row, c) for c in columns}
