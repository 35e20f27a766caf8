"""Splits: found by name, given by the recipe, or cut: disjoint, whole, and decided by the seed alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.data.conftest import Load, write_text
from unisono.data import Data, DataError
from unisono.data.readers.base import split_files, split_of
from unisono.data.splits import cut


@given(n=st.integers(1, 500), validation=st.floats(0, 0.5), test=st.floats(0, 0.4), seed=st.integers(0, 2**31))
def test_cutting_is_disjoint_and_whole(n: int, validation: float, test: float, seed: int) -> None:
    parts = cut(n, {"validation": validation, "test": test}, seed)
    assert sorted(i for part in parts.values() for i in part.tolist()) == list(range(n))
    assert len(parts["train"]) >= 1
    for split, share in (("validation", validation), ("test", test)):
        if n > 10 and share > 0:
            assert len(parts[split]) == max(1, round(n * share))
    again = cut(n, {"validation": validation, "test": test}, seed)
    assert all((parts[s] == again[s]).all() for s in parts)


def rows_file(path: Path, count: int) -> Path:
    return write_text(path, "".join(f'{{"text": "t{i}", "label": "{i * 10 // count}"}}\n' for i in range(count)))


def test_a_single_file_is_cut(loaded: Load, tmp_path: Path) -> None:
    path = rows_file(tmp_path / "x.jsonl", 100)
    splits = loaded(path, ratio={"validation": 0.2, "test": 0.1}, seed=1)
    assert {s: len(r) for s, r in splits.items()} == {"train": 70, "validation": 20, "test": 10}
    texts = {s: [r["text"] for r in rows] for s, rows in splits.items()}
    assert sorted(t for part in texts.values() for t in part) == sorted(f"t{i}" for i in range(100))
    assert all([rows[i]["text"] for i in range(len(rows))] == texts[s] for s, rows in splits.items())
    for s, rows in splits.items():
        assert [rows.origin(i)[1] - 1 for i in range(len(rows))] == [int(t[1:]) for t in texts[s]]
    assert len({rows.fingerprint for rows in splits.values()}) == 3
    assert [r["text"] for r in loaded(path, ratio={"validation": 0.2}, seed=2)["validation"]] != texts["validation"]


def test_given_splits_stay_whole(loaded: Load, tmp_path: Path) -> None:
    for name, count in {"train": 30, "dev": 5, "test": 7}.items():
        rows_file(tmp_path / "x" / f"{name}.jsonl", count)
    splits = loaded(tmp_path / "x", ratio={"validation": 0.5, "test": 0.2})
    assert {s: len(r) for s, r in splits.items()} == {"train": 30, "validation": 5, "test": 7}


def test_a_tenth_becomes_validation_by_default(loaded: Load, tmp_path: Path) -> None:
    rows_file(tmp_path / "x" / "train.jsonl", 30)
    rows_file(tmp_path / "x" / "test.jsonl", 4)
    assert {s: len(r) for s, r in loaded(tmp_path / "x", ratio={}).items()} == {"train": 27, "validation": 3, "test": 4}


def test_limits_draw_rather_than_take_the_first(loaded: Load, tmp_path: Path) -> None:
    path = rows_file(tmp_path / "x.jsonl", 200)  # sorted by label
    splits = loaded(path, ratio={"validation": 0.5}, limit={"train": 30})
    assert {s: len(r) for s, r in splits.items()} == {"train": 30, "validation": 100}
    assert len({r["label"] for r in splits["train"]}) > 5
    assert {s: len(r) for s, r in loaded(path, ratio={"validation": 0.5}, limit=20).items()} == {
        "train": 20,
        "validation": 20,
    }
    assert len(loaded(path, limit=1000)["train"]) == 200


def test_splits_named_in_the_recipe(loaded: Load, tmp_path: Path) -> None:
    for name in ("a-1", "a-2", "b"):
        rows_file(tmp_path / "x" / f"{name}.jsonl", 3)
    splits = loaded(tmp_path / "x", splits={"train": "a-*.jsonl", "test": "b.jsonl"})
    assert {s: len(r) for s, r in splits.items()} == {"train": 6, "test": 3}
    assert [splits["train"].origin(i) for i in (0, 5)] == [("a-1.jsonl", 1), ("a-2.jsonl", 3)]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"), ("training_set.txt", "train"), ("valid.txt", "validation"), ("val.en.gz", "validation"),
        ("dev.tsv", "validation"), ("test_2016_flickr.en", "test"), ("stsa.fine.dev", "validation"),
        ("en_partut-ud-train.conllu", "train"), ("latest.csv", None), ("devices.csv", None), ("trainer.csv", None),
    ],
)  # fmt: skip
def test_splits_by_name(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_two_files_for_one_split_are_a_question_not_a_guess(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"several files for validation: dev.tsv, val.tsv; .* splits: \{validation: dev.tsv\}"
    ):
        split_files([tmp_path / n for n in ("train.tsv", "val.tsv", "dev.tsv")])
    shards = [tmp_path / f"train-{i}.parquet" for i in range(3)]
    assert split_files(shards) == {"train": shards}


def test_several_formats_in_a_folder(loaded: Load, tmp_path: Path) -> None:
    rows_file(tmp_path / "x" / "train.jsonl", 3)
    write_text(tmp_path / "x" / "train.csv", "text,label\na,b\n")
    with pytest.raises(DataError, match=r"several formats: csv .*jsonl"):
        loaded(tmp_path / "x")
    assert len(loaded(tmp_path / "x", format="csv")["train"]) == 1
    write_text(tmp_path / "x" / "README.md", "about")
    assert len(loaded(tmp_path / "x", format="jsonl")["train"]) == 3


def test_a_recipe_may_give_a_plain_string() -> None:
    assert Data.model_validate("data/x.csv") == Data(path="data/x.csv")
    assert Data.model_validate({"path": "x", "delimiter": "tab"}).delimiter == "\t"


@pytest.mark.parametrize(
    "wrong",
    [
        {"pth": "x"}, {"path": ""}, {"path": "x", "limit": 0}, {"path": "x", "limit": {"dev": 3}},
        {"path": "x", "delimiter": "ab"}, {"path": "x", "encoding": "utf-9"}, {"path": "x", "encoding": "hex"},
        {"path": "x", "ratio": {"validation": 0.6, "test": 0.5}}, {"path": "x", "splits": {"dev": "x"}},
    ],
)  # fmt: skip
def test_contradictions_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Data.model_validate(wrong)
