"""sniff: what it guesses can be loaded as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import TAG, TRANSLATE, Load, write_table, write_text
from unisono.data import DataError, Role, sniff

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
REVIEWS = [{"id": i, "review": f"the film was {WORDS[i % 10]} {i}", "stars": 1 + i % 5} for i in range(40)]
ROLES = {
    "classify": {"text": Role("text"), "label": Role("label"), "pair": Role("text", required=False)},
    "regress": {"text": Role("text"), "label": Role("number"), "pair": Role("text", required=False)},
    "tag": TAG,
    "translate": TRANSLATE,
}


def check(loaded: Load, place: Path, format_: str, kind: str, columns: dict[str, Any]) -> None:
    found = sniff(place)
    assert (found.format, found.kind, found.columns) == (format_, kind, columns)
    roles = {n: r for n, r in ROLES[kind].items() if r.required or n in found.columns}
    assert len(loaded(place, roles, found.columns, **found.data)["train"]) > 0


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "feather"])
def test_tables(loaded: Load, tmp_path: Path, suffix: str) -> None:
    place = write_table(tmp_path / f"x.{suffix}", REVIEWS, suffix)
    format_ = {"tsv": "csv", "feather": "arrow"}.get(suffix, suffix)
    check(loaded, place, format_, "classify", {"text": "review", "label": "stars"})


def test_pairs_with_a_measured_score(loaded: Load, tmp_path: Path) -> None:
    content = "".join(f"news\t{i:03}\t{i % 7 / 2}\ta first text {i}\ta second text {i}\n" for i in range(30))
    place = write_text(tmp_path / "sts-train.csv", content)
    check(loaded, place, "csv", "regress", {"text": 3, "label": 2, "pair": 4})


def test_words_in_columns(loaded: Load, tmp_path: Path) -> None:
    place = write_text(
        tmp_path / "train.txt", "-DOCSTART- -X- -X- O\n\n" + "EU NNP B-NP B-ORG\nsays VBZ B-VP O\n\n" * 4
    )
    check(loaded, place, "conll", "tag", {"tokens": 0, "tags": 3})
    check(loaded, tmp_path, "conll", "tag", {"tokens": 0, "tags": 3})


def test_lists_of_words(loaded: Load, tmp_path: Path) -> None:
    rows = [{"id": str(i), "tokens": [WORDS[i % 10], WORDS[i % 7]], "ner_tags": ["O", "B-N"]} for i in range(20)]
    check(
        loaded,
        write_table(tmp_path / "x.jsonl", rows, "jsonl"),
        "jsonl",
        "tag",
        {"tokens": "tokens", "tags": "ner_tags"},
    )


def test_languages(loaded: Load, tmp_path: Path) -> None:
    for language in ("en", "de"):
        write_text(tmp_path / "mt" / f"train.{language}.gz", "a\nb\n")
    check(loaded, tmp_path / "mt", "parallel", "translate", {"source": "en", "target": "de"})
    rows = [{"translation": {"de": f"ein {i} Satz", "en": f"a sentence {i}"}} for i in range(9)]
    place = write_table(tmp_path / "x.jsonl", rows, "jsonl")
    check(loaded, place, "jsonl", "translate", {"source": "translation.en", "target": "translation.de"})


def test_class_folders(loaded: Load, tmp_path: Path) -> None:
    for label in ("neg", "pos"):
        write_text(tmp_path / "imdb" / "train" / label / "0_1.txt", "a review")
    check(loaded, tmp_path / "imdb", "folders", "classify", {})


def test_a_label_before_each_text(loaded: Load, tmp_path: Path) -> None:
    place = write_text(tmp_path / "stsa.train", "".join(f"{i % 5} a film , number {i}\n" for i in range(50)))
    check(loaded, place, "csv", "classify", {"text": 1, "label": 0})


def test_ambiguous_splits_are_spelt_out(loaded: Load, tmp_path: Path) -> None:
    for name in ("train", "val", "dev"):
        write_table(tmp_path / "x" / f"{name}.csv", REVIEWS, "csv")
    assert sniff(tmp_path / "x").data == {"splits": {"train": "train.csv", "validation": "dev.csv"}}
    check(loaded, tmp_path / "x", "csv", "classify", {"text": "review", "label": "stars"})


def test_builtin() -> None:
    assert sniff("builtin:everyday").format == "builtin"


def test_nothing_to_learn(tmp_path: Path) -> None:
    assert sniff(write_text(tmp_path / "x.txt", "just\nsome prose\n")).kind is None
    assert sniff(write_text(tmp_path / "x.csv", "a,b\n")).kind is None
    with pytest.raises(DataError, match=r'did you mean "x.csv"'):
        sniff(tmp_path / "y.csv")
