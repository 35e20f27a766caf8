"""conll: one word on each line, its columns apart by tabs or spaces, sentences apart by blank lines (CoNLL-2003)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings
from unisono.data.readers.text import lines

_LONGEST = 50_000  # words; a file without blank lines is no sentence
_DEFAULTS: dict[Column, int] = {"tokens": 0, "tags": -1}


class Conll(Reader):
    """Columns by number, from 0; negative ones count from the end. Default: tokens first, tags last."""

    name = "conll"
    suffixes = (".conll", ".bio", ".iob", ".iob2", ".txt")

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        columns = tuple(settings.wanted)
        places: list[int] = []
        width = 0
        by_tab = False
        cells: list[list[str]] = []
        first, fault = 0, None

        def sentence() -> Record | None:
            if fault is not None:
                return fault
            if not cells:
                return None
            return Record(first, {c: [word[i] for word in cells] for c, i in zip(columns, places, strict=True)})

        for number, line in lines(source, settings.encoding):
            if isinstance(line, Bad):
                fault = fault or Record(number, line)
                continue
            if not line.strip():
                if (record := sentence()) is not None:
                    yield record
                cells, fault = [], None
                continue
            if line.startswith("-DOCSTART-") or fault is not None:
                continue
            if not width:
                by_tab = "\t" in line
            word = line.split("\t") if by_tab else line.split()
            if not width:
                width = len(word)
                places = [self._place(c, width, source) for c in columns]
            if not cells:
                first = number
            if len(word) != width:
                fault = Record(number, Bad(f"{len(word)} column{'s' * (len(word) != 1)}, expected {width}", line[:200]))
            elif len(cells) >= _LONGEST:
                fault = Record(first, Bad(f"a sentence of more than {_LONGEST} words", line[:200]))
            else:
                cells.append(word)
        if (record := sentence()) is not None:
            yield record

    def _place(self, column: Column, width: int, source: Path) -> int:
        place = _DEFAULTS.get(column, column)
        if not isinstance(place, int) or not -width <= place < width:
            raise DataError(
                f"{source} has no column {column!r}: its columns are numbered 0 to {width - 1}, "
                f"e.g. columns: {{tokens: 0, tags: {width - 1}}}"
            )
        return place
