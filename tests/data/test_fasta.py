"""FASTA files: sequences over several lines, labels in titles, and whatever else stands there."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, read, write_bytes, write_text
from unisono.data import DataError, Quarantine, Role
from unisono.data.readers import Settings, reader

ROLES = {"sequence": Role("sequence"), "label": Role("label", required=False)}
FILE = """; an old comment
>seq1|enhancer|a title
ACGT
ac gt

>seq2|none description
TTT
"""


@pytest.mark.parametrize("name", ["x.fa", "x.fasta.gz", "x.faa"])
def test_sequences_and_labels(loaded: Load, tmp_path: Path, name: str) -> None:
    rows = loaded(write_text(tmp_path / name, FILE), ROLES, {"label": 1})["train"]
    assert list(rows) == [
        {"sequence": "ACGTacgt", "label": "enhancer"},
        {"sequence": "TTT", "label": "none description"},
    ]
    assert rows.origin(1)[1] == 6


def test_columns_of_a_title(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.fa", ">a1 of a virus\r\nAC\r\n>b2\r\nGT")
    for column, said in {
        "id": ["a1", "b2"],
        "description": ["of a virus", None],
        "title": ["a1 of a virus", "b2"],
    }.items():
        assert [r["label"] for r in loaded(path, ROLES, {"label": column})["train"]] == said
    assert reader("fasta").peek(path, Settings({}), 1)[0]["sequence"] == "AC"
    with pytest.raises(DataError, match='no column "lable"'):
        loaded(path, ROLES, {"label": "lable"})


def test_bad_records_are_told_by_their_title(tmp_path: Path) -> None:
    long = "A" * 70_000
    text = "ACGT\n>short\nAC\n>one|two\nAC\n>none|two\n>long|x\n" + f"{long}\n" * 16 + ">ok|x\nAC\n"
    kept = Quarantine(tmp_path / "q.jsonl", 1.0)
    rows = read(tmp_path, write_text(tmp_path / "x.fa", text), ROLES, {"label": 1}, quarantine=kept)["train"]
    assert [r["label"] for r in rows] == ["two", "x"]
    assert set(kept.counts["toy"]["train"]) == {
        'a sequence without a line ">" above it', "1 part of a title between bars, expected 2", "empty sequence",
        "a sequence of more than 1,048,576 letters",
    }  # fmt: skip


SPICE = st.lists(st.sampled_from([b">", b"a|b", b"\n", b"\r\n", b"ACGT", b";", b"\xff", b"\0", b" "]), max_size=60)


@settings(max_examples=20)
@given(st.binary(max_size=200) | SPICE.map(b"".join))
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(DataError):
        path = write_bytes(Path(folder) / "x.fa", data)
        kept = Quarantine(Path(folder) / "q.jsonl", 1.0)
        rows = read(Path(folder), path, ROLES, {"label": 1}, quarantine=kept)["train"]
        assert all(row["sequence"] for row in rows)
