"""The table stem: what a column is, what a cell becomes, and gaps; against the obvious way of saying it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.testing import assert_close

from unisono.packed import Layout
from unisono.stems import TableStem

WIDTH = 6
ROWS: list[dict[str, Any] | None] = [
    {"age": "31", "city": "Rome", "zip": "100"},
    {"age": "50.5", "city": "Oslo", "zip": "100"},
    {"age": None, "city": "Rome", "zip": "200"},
    {"age": "?", "city": "Oslo", "zip": "200"},
    {"age": "20", "city": "Bonn", "zip": None},
    None,
]


def stem(rows: Any = ROWS, **options: Any) -> TableStem:
    torch.manual_seed(0)
    told = TableStem.Options(**options)
    return TableStem(WIDTH, told, TableStem.fit(iter(rows), told)).eval()


def embedded(made: TableStem, examples: Any) -> torch.Tensor:
    return made.embed(made.collate(examples), Layout(made.length(e) for e in examples))


def test_columns_are_told_from_training_rows_and_options_have_the_last_word():
    told = stem(categories=["zip"]).fitted
    assert told["tables"] == [["age", "city", "zip"]]
    assert told["columns"]["age"] == {"knots": [20, 31, 50.5], "shares": pytest.approx([1 / 6, 1 / 2, 5 / 6])}
    assert told["columns"]["city"] == {"categories": ["Oslo", "Rome"]}  # Bonn is rare
    assert told["columns"]["zip"] == {"categories": ["100", "200"]}
    assert "knots" in stem().fitted["columns"]["zip"]
    assert stem(scale="standard").fitted["columns"]["zip"] == {"mean": 150, "spread": 50}
    with pytest.raises(ValueError, match='no table has a column "town"'):
        stem(numbers=["town"])
    with pytest.raises(ValueError, match='column "city" holds no number'):
        stem(numbers=["city"])
    with pytest.raises(ValidationError, match='"zip" is among "numbers" and among "categories"'):
        stem(numbers=["zip"], categories=["zip"])


def test_a_vector_is_bias_and_number_or_category_or_gap():
    made = stem(scale="standard", categories=["zip"])
    (example,) = made.tokens([{"table": {"age": 31, "city": "Paris", "zip": ""}}])
    found = embedded(made, [example])
    told = made.fitted["columns"]["age"]
    assert_close(found[0], made.start.detach())
    assert_close(found[1], (made.bias[0] + (31 - told["mean"]) / told["spread"] * made.weight[0]).detach())
    assert_close(found[2], (made.bias[1] + made.embedding.weight[0]).detach())  # unseen
    assert_close(found[3], (made.bias[2] + made.missing[2]).detach())
    assert made.unknown(example) == 1
    oslo, rome = (embedded(made, made.tokens([{"table": {"city": city}}]))[2] for city in ("Oslo", "Rome"))
    assert_close(rome - oslo, (made.embedding.weight[2] - made.embedding.weight[1]).detach())


def test_a_pack_is_each_row_alone_and_a_row_without_any_cell_is_no_input():
    made = stem()
    *examples, empty = made.tokens([*({"table": row} for row in ROWS if row), {"table": {"age": " ", "city": None}}])
    assert made.length(empty) == 0 and {made.length(e) for e in examples} == {4} and made.most == 4
    assert_close(embedded(made, examples), torch.cat([embedded(made, [e]) for e in examples]))


def test_quantiles_spread_numbers_evenly_and_no_number_is_too_large():
    rng = np.random.default_rng(0)
    made = stem([{"x": float(x)} for x in np.exp(3 * rng.normal(size=2000))])
    told = made.fitted["columns"]["x"]
    assert len(told["knots"]) <= 256
    rows = [{"table": {"x": float(x)}} for x in np.exp(3 * rng.normal(size=500))]
    found = np.concatenate([t["numbers"] for t in made.tokens(rows)])
    assert abs(found.mean()) < 0.15 and abs(found.std() - 1) < 0.1
    for scale in ("quantile", "standard"):
        high, low = stem([{"x": x} for x in range(9)], scale=scale).tokens(
            [{"table": {"x": s}} for s in (1e300, -1e300)]
        )
        assert -10 <= low["numbers"][0] < -1.5 and 1.5 < high["numbers"][0] <= 10


def test_several_tables_share_columns_of_one_name():
    made = stem([{"a": 1, "b": 2}, {"b": 3, "c": "x"}], rare=1)
    first, second = made.tokens([{"table": {"a": 1}}, {"table": {"c": "x", "b": 2}}])
    assert first["columns"].tolist() == [0, 1] and second["columns"].tolist() == [1, 2]
    assert made.tokens([{"table": {"a": 1, "c": "x"}}, {"table": {"d": 1}}, {"table": 3}]) == [
        "columns of several tables in one row",
        'no table has the column "d"',
        "a row of a table is a mapping from columns to cells, not a int",
    ]


def test_cells_are_hidden_in_training_alone():
    made = stem(drop=0.5)
    examples = made.tokens([{"table": ROWS[0]}] * 200)
    assert_close(embedded(made, examples[:1]), embedded(made, examples)[:4])
    made.train()
    age = embedded(made, examples).view(200, 4, WIDTH)[:, 1]
    gap = (made.bias[0] + made.missing[0]).detach()
    assert 60 < int((age == gap).all(1).sum()) < 140


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers()),
    st.sampled_from(["1e999", "-inf", "nan", "٣", "1_0", "\x00", "\ud800", 10**5000, "9" * 5000]),
)  # fmt: skip


@settings(max_examples=25)
@given(st.lists(CELLS, min_size=1, max_size=6), CELLS)
def test_whatever_cells_hold_they_become_finite_vectors_or_a_reason(column, cell):
    for options in ({"rare": 1}, {"scale": "standard"}, {"categories": ["x"]}):
        try:
            made = stem([{"x": c, "y": "1"} for c in column], **options)
        except ValueError as reason:
            assert "column" in str(reason)
            continue
        (found,) = made.tokens([{"table": {"x": cell, "y": 1}}])
        if isinstance(found, str):
            assert found.startswith('column "x" ')
        else:
            assert embedded(made, [found]).isfinite().all()
