"""Bad rows: kept with file, line and reason; too many are an error that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import CLASSIFY, TAG, TRANSLATE, Load, write_bytes, write_table, write_text
from unisono.data import DataError, Quarantine, Role
from unisono.data.quarantine import BadRow

GOOD = '{"text": "fine", "label": "a"}\n'


def kept(quarantine: Quarantine) -> list[dict[str, Any]]:
    assert quarantine.path is not None
    return [json.loads(line) for line in quarantine.path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "", "label": "a"}', "empty text"),
        (b'{"text": "  \\n", "label": "a"}', "empty text"),
        (b'{"label": "a"}', "empty text"),
        (b'{"text": ["x"], "label": "a"}', "text is a list, not text"),
        (b'{"text": "x", "label": {"a": 1}}', "label is a dict, not one label"),
        (b'{"text": "x", "label": ', "not valid JSON"),
        (b"[" * 5000, "not valid JSON"),
        (b'"x"', "not a JSON object"),
        (b'{"text": "\xff\xfe"}', "not valid utf-8"),
        (b'{"text": "\\ud800", "label": "a"}', "not valid Unicode"),
    ],
)
def test_jsonl(loaded: Load, tmp_path: Path, line: bytes, reason: str) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", max_bad_rows=0.5)
    path = write_bytes(tmp_path / "x.jsonl", GOOD.encode() + line + b"\n" + GOOD.encode())
    rows = loaded(path, quarantine=quarantine)["train"]
    assert [r["text"] for r in rows] == ["fine", "fine"]
    (bad,) = kept(quarantine)
    assert {**bad, "text": ""} == {
        "task": "toy",
        "split": "train",
        "file": "x.jsonl",
        "row": 2,
        "reason": reason,
        "text": "",
    }
    assert len(bad["text"]) <= 200
    assert quarantine.reasons("toy", "train") == {reason: 1}


@pytest.mark.parametrize(
    ("content", "row", "reason"),
    [
        ("text,label\na,b\nonly\nc,d\n", 3, "1 column, expected 2"),
        ("text,label\na,b\nx,y,z\nc,d\n", 3, "3 columns, expected 2"),
        ("text,label\na,b\n ,y\nc,d\n", 3, "empty text"),
        ('text,label\na,b\nc,d\n"never, closed\n', 4, "a quote is never closed"),
    ],
)
def test_csv(loaded: Load, tmp_path: Path, content: str, row: int, reason: str) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", max_bad_rows=0.5)
    rows = loaded(write_text(tmp_path / "x.csv", content), header=True, quarantine=quarantine)["train"]
    assert [r["text"] for r in rows][:2] == ["a", "c"]
    assert [(b["row"], b["reason"]) for b in kept(quarantine)] == [(row, reason)]


def test_a_quote_left_open_costs_its_lines_not_the_file(loaded: Load, tmp_path: Path) -> None:
    content = 'text,label\na,b\n"open,x\nc,d\n'
    quarantine = Quarantine(tmp_path / "q.jsonl", max_bad_rows=1)
    rows = loaded(write_text(tmp_path / "x.csv", content), quarantine=quarantine)["train"]
    assert [r["text"] for r in rows] == ["a"]
    assert [(b["row"], b["reason"]) for b in kept(quarantine)] == [(n, "a quote is never closed") for n in (3, 4)]


def test_a_sentence_with_a_wrong_line_goes_as_a_whole(loaded: Load, tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", max_bad_rows=0.5)
    path = write_text(tmp_path / "train.txt", "a X O\nb X O\n\nc X O\nd O\ne X O\n\nf X O\n")
    rows = loaded(path, TAG, quarantine=quarantine)["train"]
    assert [r["tokens"] for r in rows] == [["a", "b"], ["f"]]
    assert [(b["row"], b["reason"], b["text"]) for b in kept(quarantine)] == [(5, "2 columns, expected 3", "d O")]


def test_too_many_say_where_how_many_and_where_they_are_kept(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "train.txt", "".join(f"w{i} X O\n\n" for i in range(90)) + "x X\n\n" * 2)
    quarantine = Quarantine(tmp_path / "q.jsonl")
    with pytest.raises(DataError) as error:
        loaded(path, TAG, quarantine=quarantine)
    assert str(error.value) == (
        'task "toy": train.txt line 181: 2 columns, expected 3 — 2 of 92 rows bad (2.2 %, max_bad_rows 1 %), '
        f"kept in {tmp_path / 'q.jsonl'}"
    )
    assert len(kept(quarantine)) == 2


def test_one_per_cent_is_still_fine(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.jsonl", GOOD * 99 + "{}\n")
    assert len(loaded(path)["train"]) == 99
    with pytest.raises(DataError, match="2 of 100 rows bad"):
        loaded(write_text(tmp_path / "y.jsonl", GOOD * 98 + "{}\n" * 2))


def test_bad_rows_are_told_again_from_the_cache(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.jsonl", GOOD * 3 + "{}\n")
    first, second, silent = (
        Quarantine(tmp_path / "1.jsonl", 0.5),
        Quarantine(tmp_path / "2.jsonl", 0.5),
        Quarantine(None, 0.5),
    )
    for quarantine in (first, second, silent):
        loaded(path, quarantine=quarantine)
        loaded(path, quarantine=quarantine)  # the same pass again counts once
        assert quarantine.total() == quarantine.total("toy") == 1
    assert kept(first) == kept(second)
    with pytest.raises(DataError, match="1 of 4 rows bad"):
        loaded(path, quarantine=Quarantine(None))


def test_a_new_quarantine_begins_anew(tmp_path: Path) -> None:
    for _ in range(2):
        quarantine = Quarantine(tmp_path / "runs" / "q.jsonl", 1.0)
        for split in ("train", "test"):
            quarantine.report("t", split, [BadRow("f", 1, "why", "x" * 500)], 2, key=split)
        assert len(kept(quarantine)) == 2
    assert quarantine.reasons("t", "dev") == {}


@pytest.mark.parametrize(
    ("roles", "row", "reason"),
    [
        (TAG, {"tokens": ["a", "b"], "tags": ["O"]}, "1 tags for 2 tokens"),
        (TAG, {"tokens": [], "tags": []}, "empty tokens"),
        (TAG, {"tokens": ["a", ""], "tags": ["O", "O"]}, "tokens have an empty word"),
        (TAG, {"tokens": 3, "tags": None}, "tokens is a int, not a list"),
        ({"text": Role("text"), "label": Role("number")}, {"text": "x", "label": "high"}, "label is not a number"),
        ({"text": Role("text"), "label": Role("number")}, {"text": "x", "label": "inf"}, "label is infinite"),
        (TRANSLATE, {"source": "x", "target": ""}, "empty target"),
    ],
)
def test_roles(loaded: Load, tmp_path: Path, roles: Any, row: dict[str, Any], reason: str) -> None:
    quarantine = Quarantine(None, 1.0)
    good = {"tokens": ["a"], "tags": ["O"], "text": "x", "label": "1.5", "source": "a", "target": "b"}
    path = write_text(tmp_path / "x.jsonl", json.dumps(good) + "\n" + json.dumps(row) + "\n")
    assert len(loaded(path, roles, quarantine=quarantine)["train"]) == 1
    assert quarantine.reasons("toy", "train") == {reason: 1}


def test_partial_labels_are_no_fault(loaded: Load, tmp_path: Path) -> None:
    roles = {**TAG, **CLASSIFY, "many": Role("labels"), "score": Role("number")}
    full = {"tokens": ["a"], "tags": ["O"], "text": "x", "label": "y", "many": ["p", "q"], "score": 1}
    bare = {"tokens": ["a"], "text": "x"}
    blank = {"tokens": ["a"], "tags": [], "text": "x", "label": " ", "many": "", "score": ""}
    path = write_table(tmp_path / "x.jsonl", [full, full], "jsonl")
    write_text(path, "".join(json.dumps(r) + "\n" for r in (full, bare, blank)))
    rows = list(loaded(path, roles)["train"])
    assert rows[0] == {**full, "score": 1.0}
    nothing = {"tokens": ["a"], "tags": None, "text": "x", "label": None, "many": None, "score": None}
    assert rows[1] == nothing
    assert rows[2] == nothing


def test_labels_of_every_kind_become_strings(loaded: Load, tmp_path: Path) -> None:
    values = [3, 3.0, 2.5, True, "3", " a b "]
    path = write_text(tmp_path / "x.jsonl", "".join(json.dumps({"text": "x", "label": v}) + "\n" for v in values))
    assert [r["label"] for r in loaded(path)["train"]] == ["3", "3", "2.5", "true", "3", "a b"]


def test_lists_in_table_cells(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.csv", 'tokens,tags,many\n"[""New"", ""York""]",B-L I-L,a|b\nin Rome,O B-L,"a, b"\n')
    rows = list(loaded(path, {**TAG, "many": Role("labels")})["train"])
    assert rows == [
        {"tokens": ["New", "York"], "tags": ["B-L", "I-L"], "many": ["a", "b"]},
        {"tokens": ["in", "Rome"], "tags": ["O", "B-L"], "many": ["a", "b"]},
    ]


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_a_misspelt_column_gets_the_nearest_name(loaded: Load, tmp_path: Path, name: str) -> None:
    path = write_table(tmp_path / name, [{"text": "x", "sentiment": "y"}], name.split(".")[1])
    with pytest.raises(DataError, match=r'task "toy": .*no column "sentimet"; did you mean "sentiment"'):
        loaded(path, columns={"label": "sentimet"})
    with pytest.raises(DataError, match=r'no column "sentimet"'):  # named by the user, though no row needs it
        loaded(path, {"text": Role("text"), "label": Role("label", required=False)}, {"label": "sentimet"})
    rows = loaded(path, {"text": Role("text"), "label": Role("label", required=False)})["train"]
    assert rows[0] == {"text": "x", "label": None}


def test_a_missing_file_names_its_neighbours(loaded: Load, tmp_path: Path) -> None:
    write_text(tmp_path / "ner" / "train.txt", "a O\n")
    with pytest.raises(
        DataError, match=r'task "toy": there is no file or folder ".*tran.txt"; did you mean "train.txt"'
    ):
        loaded(tmp_path / "ner" / "tran.txt")
    with pytest.raises(DataError, match=r'"toy": there is no file or folder ".*/nre"; did you mean "ner"'):
        loaded(tmp_path / "nre" / "train.txt")
    with pytest.raises(DataError, match=r'no file or folder ".*tran.txt"; did you mean "train.txt"'):
        loaded(tmp_path / "ner", splits={"train": "tran.txt"})
    with pytest.raises(DataError, match=r"splits.train: nothing matches"):
        loaded(tmp_path / "ner", splits={"train": "*.csv"}, format="csv")


def test_an_unknown_role_in_columns(loaded: Load, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'columns.lable: this task has no "lable"; did you mean "label"'):
        loaded(write_text(tmp_path / "x.jsonl", GOOD), columns={"lable": "y"})


def test_nothing_in_the_file(loaded: Load, tmp_path: Path) -> None:
    for name in ("x.csv", "x.jsonl", "x.txt", "x.conllu"):
        roles = TAG if name in ("x.txt", "x.conllu") else CLASSIFY
        with pytest.raises(DataError, match="train has no rows"):
            loaded(write_text(tmp_path / name, ""), roles)


def test_an_endless_line_is_one_bad_row(loaded: Load, tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", 1.0)
    content = GOOD.encode() + b"x" * (40 << 20) + b"\n" + GOOD.encode()
    rows = loaded(write_bytes(tmp_path / "x.jsonl", content), quarantine=quarantine)["train"]
    assert [rows.origin(i)[1] for i in range(len(rows))] == [1, 3]
    assert [b["reason"] for b in kept(quarantine)] == ["a line of more than 16 MiB"]


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_a_column_name_that_is_not_utf_8_is_one_line(suffix, loaded, tmp_path):
    path = write_table(tmp_path / f"train{suffix}", [{"text": "a", "label": "b"}] * 3, suffix)
    path.write_bytes(path.read_bytes().replace(b"label", b"la\x80el"))
    with pytest.raises(DataError, match="train") as caught:
        loaded(path)
    assert "\n" not in str(caught.value)
