"""lines: plain text, one row on each line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unisono.data.readers.base import Bad, Reader, Record, Settings
from unisono.data.readers.text import lines


class Lines(Reader):
    """Its one column is called "text", or whatever single name is asked for."""

    name = "lines"
    suffixes = (".txt", ".text", ".lines")

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        must = [c for c, must in settings.wanted.items() if must]
        column = must[0] if len(must) == 1 else "text"
        settings.require([column], f"{source}, read as plain lines,")
        for number, line in lines(source, settings.encoding):
            if isinstance(line, Bad):
                yield Record(number, line)
            elif line.strip():
                yield Record(number, {column: line})
