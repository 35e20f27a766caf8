"""Rows have the same digest when their inputs are the same: texts as they stand, files by what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.data.conftest import CLASSIFY, Load, write_table, write_text
from unisono.data import Role, digests, recur


def test_a_row_is_known_by_its_inputs_in_whatever_order(loaded: Load, tmp_path: Path) -> None:
    rows = [("a b", "c", "x"), ("c", "a b", "y"), ("a b", "", "x"), ("A b", "c", "x")]
    content = [dict(zip(("text", "pair", "label"), row, strict=True)) for row in rows]
    roles = {**CLASSIFY, "pair": Role("text", required=False)}
    place = write_table(tmp_path / "x.csv", content, "csv")
    found = digests(loaded(place, roles)["train"], ["text", "pair"])
    assert found[0] == found[1]  # labels do not count
    assert len(set(found)) == 3


def test_words_are_a_text_with_blanks_between(loaded: Load, tmp_path: Path) -> None:
    text = loaded(write_table(tmp_path / "x.csv", [{"text": "EU says no", "label": "x"}] * 2, "csv"), CLASSIFY)
    words = loaded(
        write_table(tmp_path / "y.jsonl", [{"tokens": ["EU", "says", "no"], "tags": ["O"] * 3}] * 2, "jsonl"),
        {"tokens": Role("tokens"), "tags": Role("tags")},
    )
    assert digests(text["train"], ["text", "pair"]).tolist() == digests(words["train"], ["tokens"]).tolist()


def test_copies_of_a_file_are_the_same_input(loaded: Load, tmp_path: Path) -> None:
    for name, content in (("train/x/1.png", "1"), ("train/y/2.png", "2"), ("test/x/7.png", "2"), ("test/y/8.png", "3")):
        write_text(tmp_path / name, content)
    splits = loaded(tmp_path, {"image": Role("image"), "label": Role("label")}, {"image": "image"})
    train, test = (digests(splits[split], ["image"]) for split in ("train", "test"))
    assert [one in train for one in test] == [True, False]


def test_a_row_without_inputs_is_like_no_other(loaded: Load, tmp_path: Path) -> None:
    place = write_table(tmp_path / "x.csv", [{"text": f"row {i}", "label": "x"} for i in range(3)], "csv")
    assert digests(loaded(place, CLASSIFY)["train"], ["pair"]).tolist() == [0] * 3


def test_inputs_that_recur_by_nature() -> None:
    assert recur(np.array([1, 2, 1, 2, 1]))
    assert not recur(np.array([1, 2, 1])) and not recur(np.array([]))
