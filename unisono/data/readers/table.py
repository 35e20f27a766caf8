"""csv: comma, tab or otherwise separated values, with or without a header line."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from unisono.data.errors import DataError, nearest
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, suffix
from unisono.data.readers.text import head, lines

_LONGEST_CELL = 1 << 20  # characters; a quote left open would otherwise swallow the whole file


class Dialect(NamedTuple):
    delimiter: str
    quoted: bool  # cells may be quoted, as CSV writers do; plain TSV is not


class Table(Reader):
    name = "csv"
    heeds = ("header", "delimiter")
    suffixes = (".csv", ".tsv", ".tab")

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        if settings.delimiter == " ":
            yield from _spaced(source, settings)
            return
        sample = head(source, settings.encoding)
        dialect = guess_dialect(sample, suffix(source), settings.delimiter, settings.wanted)
        rows = _rows(source, settings.encoding, dialect)
        first = next(rows, None)
        while first is not None and isinstance(first.value, Bad):
            yield first
            first = next(rows, None)
        if first is None:
            return
        cells = _cells(first)
        header = settings.header
        if header is None:
            header = guess_header(sample, dialect, settings.wanted)
        places = _places(cells, header, settings, source)
        # Cells past the first line's count are a comma that should have been quoted; but plain tab-separated
        # data without a header often ends in optional columns.
        exact = header or dialect.delimiter != "\t"
        width, least = len(cells), max(places.values(), default=-1) + 1
        if not header:
            yield Record(first.row, {column: cells[i] for column, i in places.items()})
        for record in rows:
            if isinstance(record.value, Bad):
                yield record
                continue
            cells = _cells(record)
            if len(cells) == width or (not exact and len(cells) >= least):
                yield Record(record.row, {column: cells[i] for column, i in places.items()})
            else:
                reason = f"{_columns(len(cells))}, expected {width}"
                yield Record(record.row, Bad(reason, dialect.delimiter.join(cells)[:200]))

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        sample = head(source, settings.encoding, count)
        dialect = guess_dialect(sample, suffix(source), settings.delimiter)
        rows = parse(sample, dialect)
        if not rows:
            return []
        header = guess_header(sample, dialect) if settings.header is None else settings.header
        names: list[Column] = [c.strip() for c in rows[0]] if header else list(range(len(rows[0])))
        return [dict(zip(names, r, strict=True)) for r in rows[header:] if len(r) == len(names)]


def _spaced(source: Path, settings: Settings) -> Iterator[Record]:
    """Columns apart by one space, the last wanted one being the rest of the line: "3 a film about films"."""
    places = {c: c for c in settings.wanted if isinstance(c, int) and c >= 0}
    settings.require(places, f"{source}, cut at spaces (columns have numbers then),")
    last = max(places.values(), default=0)
    for number, line in lines(source, settings.encoding):
        if isinstance(line, Bad):
            yield Record(number, line)
        elif line.strip():
            cells = line.split(" ", last)
            bad = Bad(f"{_columns(len(cells))}, expected {last + 1}", line[:200])
            yield Record(number, bad if len(cells) <= last else {c: cells[i] for c, i in places.items()})


def _columns(n: int) -> str:
    return f"{n} column" if n == 1 else f"{n} columns"


def _cells(record: Record) -> list[str]:
    assert isinstance(record.value, dict)
    cells: list[str] = record.value[0]
    return cells


def _places(first: list[str], header: bool, settings: Settings, source: Path) -> dict[Column, int]:
    """Wanted column -> its place in a row; a column that need not be there may be missing."""
    names: list[str] = [c.strip() for c in first] if header else []
    places: dict[Column, int] = {}
    for column, must in settings.wanted.items():
        if column in names:
            places[column] = names.index(str(column))
        elif isinstance(column, int) and -len(first) <= column < len(first):
            places[column] = column % len(first)
        elif must and header:
            raise DataError(
                f'{source} has no column "{column}"{nearest(column, names)} '
                f"(its first line names: {', '.join(names)[:300]}); "
                "say which one under columns:"
            )
        elif must:
            raise DataError(
                f'{source} has no column "{column}": its first line has {len(first)}, numbered from 0 '
                f"({' | '.join(first)[:200]}); "
                "say their numbers under columns:, or header: true if that line names them"
            )
    return places


def _rows(source: Path, encoding: str, dialect: Dialect) -> Iterator[Record]:
    """Records whose value is {0: list of cells}, each with the number of its first line."""
    bad: list[Record] = []
    taken: list[tuple[int, str]] = []  # the lines of the record at hand

    def feed() -> Iterator[str]:
        for number, line in lines(source, encoding):
            if isinstance(line, Bad):
                bad.append(Record(number, line))
                continue
            taken.append((number, line))
            yield line + "\n"  # the csv module keeps a newline inside quotes only when it sees it

    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    reader = csv.reader(feed(), delimiter=dialect.delimiter, quoting=quoting)
    # A record with an open quote, as it seems: real when the file goes on after it.
    doubtful: tuple[list[tuple[int, str]], Record] | None = None
    while True:
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as e:
            reason = "a quote is never closed" if len(taken) > 1 else f"not readable as CSV ({e})"
            yield from (Record(number, Bad(reason, line[:200])) for number, line in taken)
            continue
        finally:
            yield from bad
            bad.clear()
        if doubtful:
            yield doubtful[1]
            doubtful = None
        if not cells:
            continue
        record = Record(taken[0][0], {0: cells})
        # Inside quotes the end of the line is part of the cell.
        if cells[-1].endswith("\n") and sum(line.count('"') for _, line in taken) % 2:
            doubtful = (list(taken), record)
        else:
            yield record
    if doubtful:
        yield from (Record(number, Bad("a quote is never closed", line[:200])) for number, line in doubtful[0])


def parse(sample: list[str], dialect: Dialect, *, strict: bool = False) -> list[list[str]]:
    """The cells of a few lines; empty when they are not CSV."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    try:
        ended = (s + "\n" for s in sample)
        return [c for c in csv.reader(ended, delimiter=dialect.delimiter, quoting=quoting, strict=strict) if c]
    except csv.Error:
        return []


def guess_dialect(
    sample: list[str], suffix: str, delimiter: str | None = None, wanted: Iterable[Column] = ()
) -> Dialect:
    """The delimiter that cuts the first line into wanted names, or else most lines into the same number of cells."""
    if delimiter is None and suffix in (".tsv", ".tab"):
        delimiter = "\t"
    names = {column for column in wanted if isinstance(column, str)}
    if delimiter is None and names and sample:
        cut = {d: names & {cell.strip(' "') for cell in sample[0].split(d)} for d in ",\t;|"}
        most = max(cut, key=lambda d: len(cut[d]))
        if cut[most] and sample[0].count(most):
            delimiter = most
    if delimiter is None:
        best = (0.0, 1)
        for candidate in ",\t;|":
            widths = Counter(len(c) for c in parse(sample, Dialect(candidate, _quoted(sample, candidate))))
            widths.pop(1, None)
            if not widths:
                continue
            width, count = widths.most_common(1)[0]
            score = (count / max(1, len(sample)), width)
            if score[0] > best[0] + 0.05 or (score[0] > best[0] - 0.05 and width > best[1] and candidate == "\t"):
                best, delimiter = score, candidate
    delimiter = delimiter or ("," if suffix == ".csv" else "\t")
    return Dialect(delimiter, _quoted(sample, delimiter))


def _quoted(sample: list[str], delimiter: str) -> bool:
    """Whether quotes are quoting. In tab-separated files they mostly are plain characters."""
    if delimiter != "\t":
        return True
    plain = len({line.count("\t") for line in sample if line}) <= 1
    if not plain and len({len(c) for c in parse(sample, Dialect("\t", True), strict=True)}) == 1:
        return True  # only quoting makes sense of it
    cells = [c for line in sample for c in line.split("\t")]
    opened = [c for c in cells if c.startswith('"')]
    whole = [c for c in opened if len(c) > 1 and c.endswith('"') and '"' not in c[1:-1].replace('""', "")]
    return bool(opened) and len(whole) == len(opened) and not any('"' in c for c in cells if not c.startswith('"'))


def guess_header(sample: list[str], dialect: Dialect, wanted: Iterable[Column] = ()) -> bool:
    """Whether the first line names the columns: it has a wanted name, or is no number where all others are."""
    rows = parse(sample, dialect)
    if not rows:
        return False
    first = [c.strip() for c in rows[0]]
    if any(isinstance(column, str) and column in first for column in wanted):
        return True
    rest = [r for r in rows[1:] if len(r) == len(first)]
    if not rest or len(set(first)) < len(first) or any(not c or len(c) > 60 or _is_number(c) for c in first):
        return False
    return any(
        all(_is_number(r[i]) or not r[i].strip() for r in rest) and any(r[i].strip() for r in rest)
        for i in range(len(first))
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
