"""table: rows of tables, cell by cell, as numbers of columns, scaled numbers and categories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..fields import Fields
from .base import Arrays, Stem, Tokens
from .cells import Unreadable, number, plain, scaled

MOST_COLUMNS = 1 << 16


@dataclass(frozen=True)
class Table(Stem):
    """A vector for each column, behind a start vector. Columns of several tables are known by name.

    Args:
        tables: the columns of each table.
        columns: name -> ``knots`` and ``shares`` or ``mean`` and ``spread`` of one that holds numbers, or
            ``categories``, those known.
        missing: texts that stand for no value.
    """

    tables: Sequence[Sequence[str]]
    columns: Mapping[str, Mapping[str, Any]]
    missing: Sequence[str]
    most: int
    kind: ClassVar[str] = "table"
    reads: ClassVar[tuple[str, ...]] = ("columns", "numbers", "categories")

    def told(self) -> dict[str, Any]:
        return {
            "tables": [list(names) for names in self.tables],
            "columns": dict(self.columns),
            "missing": list(self.missing),
        }

    @classmethod
    def of(cls, said: Fields, most: int) -> Table:
        columns = {name: _column(told) for name, told in said.within("columns").each()}
        tables = said.values.get("tables")
        if not isinstance(tables, list) or not all(
            isinstance(names, list) and all(isinstance(n, str) and n in columns for n in names) for names in tables
        ):
            raise said.wrong("tables", "lists of its columns")
        return cls(tables, columns, said.texts("missing"), most)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.columns)}

    @cached_property
    def places(self) -> dict[str, dict[str, int]]:
        """Column -> category -> its row of the table of all; the first of each column is one that training lacks."""
        out: dict[str, dict[str, int]] = {}
        total = 0
        for name, told in self.columns.items():
            if "categories" in told:
                out[name] = {c: total + at for at, c in enumerate(["", *told["categories"]])}
                total += 1 + len(told["categories"])
        return out

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> list[Tokens | str]:
        """Per cell its column's number, ``numbers`` (C,) float32, scaled, NaN where it is none, and ``categories``
        (C,) int32, -1 where it is none; of neither, it is missing. No cell at all where every one is. What is no number
        in a column of numbers gives the reason instead.

        Args:
            rows: with ``table``: column -> cell. Columns that it leaves out are missing ones of the smallest table of
                training that has the others.
        """
        out: list[Tokens | str] = []
        for row in rows:
            try:
                made = self._tokens(row["table"])
            except Unreadable as reason:
                out.append(str(reason))
                continue
            if most is not None and self.length(made) > most:
                out.append(f"a row that becomes more than {most} vectors (max_length)")
            else:
                out.append(made)
        return out

    def _tokens(self, row: Any) -> Tokens:
        if not isinstance(row, Mapping):
            raise Unreadable(f"a row of a table is a mapping from columns to cells, not a {type(row).__name__}")
        fitting = [names for names in self.tables if set(row) <= set(names)]
        if not fitting:
            new = sorted(str(name) for name in row if name not in self.columns)
            raise Unreadable(f'no table has the column "{new[0]}"' if new else "columns of several tables in one row")
        names = min(fitting, key=len)
        numbers = np.full(len(names), np.nan, np.float32)
        categories = np.full(len(names), -1, np.int32)
        known = False
        for at, name in enumerate(names):
            try:
                text = plain(row.get(name), self.missing)
            except Unreadable as reason:
                raise Unreadable(f'column "{name}" {reason}') from None
            if text is None:
                continue
            known = True
            if name in self.places:
                places = self.places[name]
                categories[at] = places.get(text, places[""])
            elif (value := number(text)) is None:
                raise Unreadable(f'column "{name}" holds numbers, and a cell that is none')
            else:
                numbers[at] = scaled(value, self.columns[name])
        count = len(names) if known else 0
        columns = np.array([self._number[name] for name in names], np.int32)
        return {"columns": columns[:count], "numbers": numbers[:count], "categories": categories[:count]}

    def length(self, tokens: Arrays) -> int:
        return 1 + len(tokens["columns"]) if len(tokens["columns"]) else 0

    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        """All rows' cells end to end: ``columns`` (M,) int64, ``numbers`` (M,) float32, ``categories`` (M,) int64; and
        ``order`` (n,) int64: of each vector the number of its cell behind the start vector, which is 0.
        """
        joined = {name: np.concatenate([e[name] for e in examples]) for name in self.reads}
        counts = np.cumsum([len(e["columns"]) for e in examples])
        cells = np.split(1 + np.arange(counts[-1]), counts[:-1])
        order = np.concatenate([part for own in cells for part in ([0], own)]).astype(np.int64)
        columns, categories = (joined[name].astype(np.int64) for name in ("columns", "categories"))
        yield list(range(len(examples))), {**joined, "columns": columns, "categories": categories, "order": order}


def _column(told: Fields) -> Mapping[str, Any]:
    """What is said of a column, checked."""
    if told.has("categories"):
        return {"categories": told.texts("categories")}
    if told.has("mean"):
        mean, spread = told.number("mean"), told.number("spread")
        if not spread:
            raise told.wrong("spread", "a number that is not 0")
        return {"mean": mean, "spread": spread}
    knots = told.numbers("knots")
    shares = told.numbers("shares")
    if not len(knots) or len(knots) != len(shares):
        raise told.wrong("shares", "as many numbers as there are knots, at least one")
    return {"knots": knots, "shares": shares}
