"""SQuAD files: every question, streamed; whatever a file holds, reading it ends in rows or in a DataError."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, read, real, write_bytes, write_table, write_text
from unisono.data import DataError, Quarantine, Role, sniff
from unisono.data.readers import reader
from unisono.data.readers.base import Bad, Settings
from unisono.data.readers.json_stream import JsonStream

ROLES = {"question": Role("text"), "context": Role("text"), "answers": Role("answers")}
WANTED = Settings({"question": True, "context": True, "answers": True})


def asked(number: int, **more: Any) -> dict[str, Any]:
    return {"question": f"q{number}?", "id": str(number), "answers": [{"text": "b", "answer_start": 2}], **more}


def squad(*paragraphs: Any, **more: Any) -> dict[str, Any]:
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": list(paragraphs)}], **more}


def paragraph(context: str, *questions: Any) -> dict[str, Any]:
    return {"context": context, "qas": list(questions)}


def write(folder: Path, content: Any, name: str = "x.json", **dump: Any) -> Path:
    return write_text(folder / name, json.dumps(content, **dump))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["x.json", "x.json.gz"])
def test_every_question_is_a_row_under_its_number(loaded: Load, tmp_path: Path, indent: int | None, name: str) -> None:
    content = squad(
        paragraph("a b c", asked(1), asked(2, is_impossible=True, plausible_answers=[])), paragraph("é b", asked(3))
    )
    content["data"].insert(0, {"paragraphs": [], "title": ["any", {"thing": None}]})
    rows = loaded(write(tmp_path, content, name, indent=indent), ROLES)["train"]
    answer = [{"text": "b", "start": 2}]
    assert list(rows) == [
        {"question": "q1?", "context": "a b c", "answers": answer},
        {"question": "q2?", "context": "a b c", "answers": []},
        {"question": "q3?", "context": "é b", "answers": answer},
    ]
    assert [rows.origin(i) for i in range(3)] == [(name, 1), (name, 2), (name, 3)]
    assert rows.counts == "question"


def test_questions_without_answers_have_no_label(loaded: Load, tmp_path: Path) -> None:
    question = {"question": "q?", "id": "1"}
    (row,) = loaded(write(tmp_path, squad(paragraph("a", question))), ROLES)["train"]
    assert row["answers"] is None


def test_the_format_is_recognised(tmp_path: Path) -> None:
    path = write(tmp_path, squad(paragraph("a b", asked(1))))
    guess = sniff(path)
    assert (guess.format, guess.kind, guess.columns) == ("squad", "span", {})
    write(tmp_path / "v2", squad(), "train-v2.0.json")
    write(tmp_path / "v2", squad(), "dev-v2.0.json")
    assert sniff(tmp_path / "v2").format == "squad"
    assert sniff(write_text(tmp_path / "y.json", '{"data": "text", "label": "a"}\n')).format == "jsonl"


@pytest.mark.parametrize(
    ("paragraphs", "reason"),
    [
        ([{"context": "a"}], 'a paragraph without a list "qas"'),
        (["text"], 'a paragraph without a list "qas"'),
        ([paragraph("a", 3)], "a question that is no JSON object"),
        ([paragraph("a", asked(1, question=None))], "empty question"),
        ([paragraph("  ", asked(1))], "empty context"),
        ([paragraph("a", asked(1, question=["x"]))], "question is a list, not text"),
        ([paragraph("a", asked(1, answers="b"))], "answers are a text, not a list of answers"),
        ([paragraph("a", asked(1, answers=[3]))], "answers have one without a text"),
        ([paragraph("a", asked(1, answers=[{"text": "b"}]))], "answers have one without a place"),
        ([paragraph("a", asked(1, answers=[{"text": "b", "answer_start": -1}]))], "answers have one without a place"),
        (
            [paragraph("a", asked(1, answers=[{"text": "b", "answer_start": 1e400}]))],
            "answers have one without a place",
        ),
        ([paragraph("\ud800", asked(1))], "not valid Unicode"),
    ],
)
def test_bad_questions_are_kept_with_their_reason(
    loaded: Load, tmp_path: Path, paragraphs: list[Any], reason: str
) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", 1.0)
    content = squad(paragraph("a b", asked(1)), *paragraphs, paragraph("c b", asked(9)))
    rows = loaded(write(tmp_path, content), ROLES, quarantine=quarantine)["train"]
    assert [row["question"] for row in rows] == ["q1?", "q9?"]
    assert quarantine.reasons("toy", "train") == {reason: 1}
    (line,) = (tmp_path / "q.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["row"] == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "was expected, found ''"),
        (b"[]", '"{" was expected'),
        (b'{"version": "1.1"}', 'no SQuAD file: it has no "data"'),
        (b'{"data": {"a": 1}}', '"\\[" was expected'),
        (b'{"data": [{"paragraphs": [{"context": "a"', "or the file is cut short"),
        (b'{"data": [{"paragraphs": [], }]}', "a key was expected"),
        (b'{"data": [' + b"[" * 100_000, '"{" was expected'),
        (b'{"data": [{"paragraphs": [' + b"[" * 100_000, "nested too deep|cut short"),
        (b'{"data": [{"paragraphs": [' + b"9" * 10_000 + b"]}]}", "."),
        (b'{"data": [{"title": "\xff"}]}', "not valid utf-8"),
    ],
)
def test_what_is_no_squad_file_is_one_error(loaded: Load, tmp_path: Path, content: bytes, says: str) -> None:
    path = write_bytes(tmp_path / "x.json", content)
    with pytest.raises(DataError, match=says) as caught:
        loaded(path, ROLES, format="squad", quarantine=Quarantine(None, 0.0))
    assert str(path.name) in str(caught.value)
    assert "\n" not in str(caught.value)


CONTENT = json.dumps(squad(paragraph("a b", asked(1), asked(2)), paragraph("c b", asked(3)))).encode()
SPICE = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"null",
    b"1e9",
    b"\\u",
    b"\\ud800",
    b"\xff",
    b"\0",
    b'"data":',
    b" ",
]


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1), patch=st.lists(st.sampled_from(SPICE), max_size=4).map(b"".join), cut=st.integers(0, 30))
def test_damaged_files(at: float, patch: bytes, cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = int(at * len(CONTENT))
        path = write_bytes(Path(name) / "x.json", CONTENT[:place] + patch + CONTENT[place + cut :])
        with suppress(DataError):
            for rows in read(
                Path(name), path, ROLES, format="squad", quarantine=Quarantine(Path(name) / "q.jsonl", 1.0)
            ).values():
                assert len(list(rows)) == len(rows) <= 3
        with suppress(DataError):
            sniff(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def walked(stream: JsonStream) -> Any:
    if stream.peek() == "[":
        return [walked(stream) for _ in stream.items()]
    if stream.peek() == "{":
        return {key: walked(stream) for key in stream.members()}
    return stream.value()


@given(value=JSON, indent=st.sampled_from([None, 1]), block=st.integers(1, 9), ascii_only=st.booleans())
def test_a_document_walked_is_the_document_loaded(value: Any, indent: int | None, block: int, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("unisono.data.readers.json_stream._BLOCK", block)
        path = write_bytes(Path(name) / "x", text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode())
        with path.open("rb") as file:
            assert walked(JsonStream(file, path)) == json.loads(path.read_text("utf-8"))


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("w") as file:
        file.write('{"data": [{"paragraphs": [')
        for number in range(4_000):
            one = paragraph("word " * 1_000, asked(number))
            file.write(("," if number else "") + json.dumps(one))
        file.write("]}]}")
    assert path.stat().st_size > 20_000_000
    tracemalloc.start()
    count = sum(not isinstance(record.value, Bad) for record in reader("squad").read(path, WANTED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4_000
    assert peak < 2_000_000


@pytest.mark.parametrize("opening", [b'{"data": [{"paragraphs": [{"context": "', b'{"data": "', b'{"x": ['])
def test_an_endless_value_ends_in_an_error_and_little_memory(tmp_path: Path, opening: bytes) -> None:
    path = write_bytes(tmp_path / "x.json", opening + b"a" * 40_000_000)
    tracemalloc.start()
    with pytest.raises(DataError):
        list(reader("squad").read(path, WANTED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000


def test_answers_in_other_forms(loaded: Load, tmp_path: Path) -> None:
    expected = [{"text": "b", "start": 2}]
    forms = [
        {"text": ["b"], "answer_start": [2]}, [{"text": "b", "start": 2}], '[{"text": "b", "answer_start": 2}]',
        {"text": [], "answer_start": []}, [], None, "",
    ]  # fmt: skip
    lines = [json.dumps({"question": "q", "context": "a b", "answers": form}) for form in forms]
    rows = loaded(write_text(tmp_path / "x.jsonl", "\n".join(lines)), ROLES)["train"]
    assert [row["answers"] for row in rows] == [expected, expected, expected, [], [], None, None]


def test_parquet_in_the_form_of_the_hub(loaded: Load, tmp_path: Path) -> None:
    answers = [{"text": ["b"], "answer_start": [2]}, {"text": [], "answer_start": []}]
    rows = [{"question": "q", "context": "a b", "answers": one} for one in answers]
    found = loaded(write_table(tmp_path / "x.parquet", rows, "parquet"), ROLES)["train"]
    assert [row["answers"] for row in found] == [[{"text": "b", "start": 2}], []]


def test_questions_of_a_paragraph_stay_together(loaded: Load, tmp_path: Path) -> None:
    paragraphs = [paragraph(f"a b {n}", *(asked(q) for q in range(1 + n % 7))) for n in range(50)]
    path = write(tmp_path, squad(*paragraphs))
    ratio = {"validation": 0.1, "test": 0.2, "by": "context"}
    splits = loaded(path, ROLES, ratio=ratio)
    contexts = {split: {row["context"] for row in rows} for split, rows in splits.items()}
    assert {split: len(found) for split, found in contexts.items()} == {"train": 35, "validation": 5, "test": 10}
    assert len(set.union(*contexts.values())) == 50
    assert sum(map(len, splits.values())) == sum(1 + n % 7 for n in range(50))
    again = loaded(path, ROLES, ratio=ratio, seed=0)
    assert all(list(again[split]) == list(rows) for split, rows in splits.items())
    with pytest.raises(DataError, match=r'ratio.by: this task has no "contxt"; did you mean "context"\?'):
        loaded(path, ROLES, ratio={**ratio, "by": "contxt"})


def test_xquad(loaded: Load) -> None:
    path = real("qa/xquad") / "xquad.en.json"
    rows = loaded(path, ROLES)["train"]
    assert len(rows) == 1190
    assert len({row["context"] for row in rows}) == 240
    for row in rows:
        (answer,) = row["answers"]
        assert row["context"][answer["start"] :].startswith(answer["text"])
