"""Table stem: a row of a table -> one vector a column, behind a start vector. Numbers, categories, and gaps.

The feature tokenizer of FT-Transformer: Gorishniy et al. 2021 (https://arxiv.org/abs/2106.11959), section 3.3. A
number x becomes b + x w, a category b + e, with b, w and e learned for each column; a cell without a value b + m, also
learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unisono.packed import Layout
from unisono.runtime.stems import Table
from unisono.runtime.stems.cells import Unreadable, plain
from unisono.stems import base
from unisono.stems.base import Stem, Tokens
from unisono.stems.cells import Seen

_UNSEEN = 0  # the first category of each column: one that training does not have, or too seldom
_SCALE = 0.05  # of the first vectors, as a word table's


class TableOptions(base.Options):
    """What a recipe may say under ``stems: table:``."""

    numbers: list[str] = Field([], description="columns that hold numbers; default: told from the training rows")
    categories: list[str] = Field([], description="columns that hold categories, though they look like numbers")
    scale: Literal["quantile", "standard"] = Field(
        "quantile", description="how numbers are scaled: by their place among the training rows', or mean and spread"
    )
    missing: list[str] = Field(
        ["?", "NA", "N/A", "n/a", "nan", "NaN", "null"], description="what stands for no value, beside an empty cell"
    )
    rare: int = Field(2, ge=1, description="a category that training has less often is read as unseen")
    most: int = Field(10_000, ge=1, description="most categories of a column, the commonest; others are read as unseen")
    drop: float = Field(0.0, ge=0, lt=1, description="share of cells that are read as missing while training")

    @model_validator(mode="after")
    def _agree(self) -> TableOptions:
        both = set(self.numbers) & set(self.categories)
        if both:
            raise ValueError(f'column "{min(both)}" is among "numbers" and among "categories"')
        return self


class TableStem(Stem):
    """Columns of several tasks' tables are known by name: those of one name are one.

    ``fitted``: ``tables``, the columns of each table; ``columns``, name -> ``knots`` and ``shares`` or ``mean`` and
    ``spread`` of one that holds numbers, or ``categories``, those known.
    """

    Options: ClassVar[type[base.Options]] = TableOptions
    fields: ClassVar[tuple[str, ...]] = ("columns", "numbers", "categories")
    knows: ClassVar[bool] = True

    def __init__(self, width: int, options: TableOptions, fitted: Mapping[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, dict(fitted)
        self.most = 1 + max(map(len, fitted["tables"]), default=0)
        self.reader = Table(fitted["tables"], fitted["columns"], options.missing, self.most)
        self._unseen = {places[""] for places in self.reader.places.values()}
        count, total = len(fitted["columns"]), sum(map(len, self.reader.places.values()))
        self.start = nn.Parameter(torch.randn(width) * _SCALE)
        self.bias, self.weight, self.missing = (nn.Parameter(torch.randn(count, width) * _SCALE) for _ in range(3))
        self.embedding = nn.Embedding(max(total, 1), width)
        nn.init.normal_(self.embedding.weight, std=_SCALE)

    @classmethod
    def fit(cls, values: Iterable[Any], options: TableOptions) -> dict[str, Any]:
        """What the columns hold, by their training cells.

        Raises:
            ValueError: options name a column that no table has, or one holds no numbers.
        """
        tables: dict[tuple[str, ...], None] = {}
        seen: dict[str, Seen] = {}
        for row in values:
            if not isinstance(row, Mapping):
                continue  # missing; or ``tokens`` will say what it is
            tables.setdefault(tuple(row))
            for name, cell in row.items():
                column = seen.setdefault(name, Seen(len(seen)))
                try:
                    text = plain(cell, options.missing)
                except Unreadable:
                    continue  # tokens will say so, once, with the row's number
                if text is not None:
                    column.add(text)
        for name in (*options.numbers, *options.categories):
            if name not in seen:
                raise ValueError(f'no table has a column "{name}"; there are {", ".join(seen)}')
        columns = {name: cls._column(name, column, options) for name, column in seen.items()}
        return {"tables": [list(names) for names in tables], "columns": columns}

    @staticmethod
    def _column(name: str, seen: Seen, options: TableOptions) -> dict[str, Any]:
        if name in options.numbers and not seen.numbers:
            raise ValueError(f'column "{name}" holds no number')
        if name in options.numbers or (seen.numeric and name not in options.categories):
            try:
                return seen.scale(options.scale)
            except ValueError as reason:
                raise ValueError(f'column "{name}" holds {reason}') from None
        known = sorted(c for c, n in seen.texts.most_common(options.most) if n >= options.rare)
        return {"categories": known}

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[Tokens | str]:
        """Per cell its column's number, ``numbers`` (C,) float32, scaled, NaN where it is none, and ``categories``
        (C,) int32, -1 where it is none; of neither, it is missing. No cell at all where every one is. What is no number
        in a column of numbers gives the reason instead.

        Args:
            rows: with ``table``: column -> cell. Columns that it leaves out are missing ones of the smallest table of
                training that has the others.
        """
        return self.reader.tokens(rows, most=max_length)

    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        return self.reader.length(tokens)

    def unknown(self, tokens: Mapping[str, np.ndarray]) -> int:
        return sum(int(place) in self._unseen for place in tokens.get("categories", ()))

    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """All rows' cells end to end: ``columns`` (M,) int64, ``numbers`` (M,) float32, ``categories`` (M,) int64."""
        joined = {name: torch.from_numpy(np.concatenate([t[name] for t in tokens])) for name in self.fields}
        return {**joined, "columns": joined["columns"].long(), "categories": joined["categories"].long()}

    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in), of each row the start vector and then its cells'; in training, some cells are hidden."""
        columns, numbers, categories = fields["columns"], fields["numbers"], fields["categories"]
        if self.training and self.options.drop:
            seen = torch.rand(len(columns), device=columns.device) >= self.options.drop
            numbers = numbers.masked_fill(~seen, torch.nan)
            categories = categories.masked_fill(~seen, -1)
        says = self.cells(columns, numbers, categories)
        first = layout.positions(columns.device) == 0  # (N,)
        out = says.new_empty(layout.total, says.shape[1])
        out = out.index_put((first.nonzero()[:, 0],), self.start.to(says.dtype))
        return out.index_put(((~first).nonzero()[:, 0],), says)

    def cells(self, columns: Tensor, numbers: Tensor, categories: Tensor) -> Tensor:
        """(M, D_in) vectors of cells: see ``tokens``."""
        numeric, named = ~numbers.isnan(), categories >= 0  # (M,)
        amount = torch.where(numeric, numbers, 0.0).to(self.weight.dtype)[:, None]
        says = torch.where(numeric[:, None], amount * self.weight[columns], self.missing[columns])
        says = torch.where(named[:, None], self.embedding(categories.clamp(min=0)), says)
        return says + self.bias[columns]

    def config(self) -> dict[str, Any]:
        return {"options": self.options.model_dump(mode="json"), "fitted": self.fitted}
