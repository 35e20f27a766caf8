"""array: one JSON array of objects, or of arrays, whose elements are the rows; of any size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings
from unisono.data.readers.json_stream import JsonStream
from unisono.data.readers.jsonl import flat, pick
from unisono.data.readers.text import open_bytes

_OPENING = re.compile(r"\ufeff?\s*\[\s*[\[{]")
_SAMPLE = 1 << 16  # bytes that are looked at


class JsonArray(Reader):
    """Columns are the keys of objects, or places in arrays, from 0. The row number counts the elements."""

    name = "array"
    suffixes = (".json",)
    counts = "element"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        columns = tuple(settings.wanted)
        keys: dict[Any, None] = {}
        for number, row in enumerate(_elements(source, settings.encoding), 1):
            if isinstance(row, list):
                row = dict(enumerate(row))
            if not isinstance(row, dict):
                yield Record(number, Bad("neither a JSON object nor an array", str(row)[:200]))
                continue
            if len(keys) < 1000:
                keys.update(dict.fromkeys(row))
            yield Record(number, pick(row, columns))
        if keys:
            settings.require(keys, str(source))

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        rows: list[dict[Column, Any]] = []
        with suppress(DataError):
            for row in _elements(source, settings.encoding):
                if isinstance(row, dict):
                    rows.append(flat(row))
                if len(rows) == count or not isinstance(row, dict):
                    break
        return rows


def is_array(path: Path, encoding: str = "utf-8") -> bool:
    """Whether a file is one JSON array of rows: not lines of which each is an array."""
    try:
        with open_bytes(path) as file:
            start = file.read(_SAMPLE).decode(encoding, errors="replace")
    except DataError:
        return False
    if not _OPENING.match(start):
        return False
    first, _, rest = start.lstrip("\ufeff \t\r\n").partition("\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return True
    return not rest.strip()


def _elements(path: Path, encoding: str) -> Iterator[Any]:
    with open_bytes(path) as file:
        stream = JsonStream(file, path, encoding)
        for _ in stream.items():
            yield stream.value()
