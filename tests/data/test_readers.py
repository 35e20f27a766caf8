"""Every format yields the rows that were written, gzipped or not."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.conftest import CLASSIFY, TABLES, TAG, TRANSLATE, Load, read, write_bytes, write_table, write_text
from unisono.data import Data, DataError, Quarantine, Role
from unisono.data.readers import Bad, Reader, Record, Settings, _plugins, reader, readers, register
from unisono.data.readers.plain import Lines

ROWS = [
    {"text": "A fine film, all in all.", "label": "good"},
    {"text": 'He said "no"\tand left', "label": "bad"},
    {"text": "Zürich – 東京 😀", "label": "good"},
]
SLOW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("suffix", TABLES)
def test_tables_round_trip(loaded: Load, tmp_path: Path, suffix: str, gz: str) -> None:
    path = write_table(tmp_path / f"data.{suffix}{gz}", ROWS, suffix)
    rows = loaded(path)["train"]
    assert list(rows) == ROWS
    assert [rows[i] for i in range(len(rows))] == ROWS
    assert rows.origin(0) == (path.name, 2 if suffix in ("csv", "tsv") else 1)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1).filter(str.strip)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)


@SLOW
@given(
    rows=st.lists(st.fixed_dictionaries({"text": texts, "label": names}), min_size=1, max_size=8),
    suffix=st.sampled_from(TABLES),
)
def test_any_text_round_trips(rows: list[dict[str, str]], suffix: str) -> None:
    if suffix == "tsv":  # where quotes and tabs in a cell have no one meaning
        rows = [{k: re.sub(r'["\t\n]', "x", v) for k, v in row.items()} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / f"data.{suffix}", rows, suffix)
        assert list(read(Path(folder), path)["train"]) == rows


words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=6).filter(
    lambda w: w.split() == [w] and not w.startswith("-DOCSTART-")
)
sentences = st.lists(st.tuples(words, words), min_size=1, max_size=6)


@SLOW
@given(rows=st.lists(sentences, min_size=1, max_size=5), blank=st.integers(1, 3))
def test_conll_round_trips(rows: list[list[tuple[str, str]]], blank: int) -> None:
    content = ("\n" * blank).join("".join(f"{w} X {t}\n" for w, t in row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = write_text(Path(folder) / "train.txt", "-DOCSTART- -X- O\n\n" + content)
        found = list(read(Path(folder), path, TAG)["train"])
    assert found == [{"tokens": [w for w, _ in row], "tags": [t for _, t in row]} for row in rows]


lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"), min_size=1).filter(str.strip)


@SLOW
@given(rows=st.lists(st.tuples(lines, lines, lines), min_size=1, max_size=6))
def test_parallel_round_trips(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "mt"
        for i, language in enumerate(("en", "de", "fr.gz")):
            write_text(folder / f"train.{language}", "".join(row[i] + "\n" for row in rows))
        roles = {"source": Role("text"), "target": Role("texts")}
        found = list(read(Path(name), folder, roles, {"source": "en", "target": ["de", "fr"]})["train"])
    assert found == [{"source": en, "target": {"de": de, "fr": fr}} for en, de, fr in rows]


def test_csv_without_header_by_number(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.csv", '"one, two",3\nthree,1\n')
    assert list(loaded(path, columns={"text": 0, "label": 1})["train"]) == [
        {"text": "one, two", "label": "3"},
        {"text": "three", "label": "1"},
    ]
    assert list(loaded(path, columns={"text": -2, "label": -1})["train"])[1] == {"text": "three", "label": "1"}


def test_csv_header_found_though_columns_are_numbers(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.csv", "sentence,score\nfine,3\nbad,1\n")
    assert len(loaded(path, columns={"text": 0, "label": 1})["train"]) == 2
    assert len(loaded(path, columns={"text": 0, "label": 1}, header=False)["train"]) == 3


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters_are_guessed(loaded: Load, tmp_path: Path, delimiter: str) -> None:
    content = "".join(f"a text no {i}{delimiter}c{i % 2}\n" for i in range(6))
    rows = loaded(write_text(tmp_path / "x.csv", content), columns={"text": 0, "label": 1})["train"]
    assert rows[3] == {"text": "a text no 3", "label": "c1"}


def test_quotes_are_plain_in_plain_tsv(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.tsv", 'text\tlabel\n"Well" he said\t1\n"I see.\t0\nyes\t1\n')
    assert [r["text"] for r in loaded(path)["train"]] == ['"Well" he said', '"I see.', "yes"]


def test_a_text_after_its_label_cut_at_the_first_space(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "stsa.train", "4 a stirring , funny film\n1 dull\n")
    rows = loaded(path, columns={"label": 0, "text": 1}, format="csv", delimiter=" ")["train"]
    assert list(rows) == [{"text": "a stirring , funny film", "label": "4"}, {"text": "dull", "label": "1"}]


def test_newline_inside_quotes_and_line_numbers(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.csv", 'text,label\n"two\nlines",a\nnext,b\n')
    rows = loaded(path)["train"]
    assert rows[0]["text"] == "two\nlines"
    assert [rows.origin(i)[1] for i in range(2)] == [2, 4]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16", "cp1252"])
def test_encodings_and_byte_order_marks(loaded: Load, tmp_path: Path, encoding: str) -> None:
    path = write_text(tmp_path / "x.csv", "text,label\nZürich,a\nÉté,b\n", encoding)
    assert loaded(path, encoding="utf-8" if encoding == "utf-8-sig" else encoding)["train"][0] == {
        "text": "Zürich",
        "label": "a",
    }


def test_windows_line_ends(loaded: Load, tmp_path: Path) -> None:
    for name, content in {"x.jsonl": '{"text": "a", "label": "b"}\r\n', "x.csv": "text,label\r\na,b\r\n"}.items():
        assert list(loaded(write_text(tmp_path / name, content))["train"]) == [{"text": "a", "label": "b"}]


def test_nested_json_columns(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.jsonl", '{"translation": {"en": "yes", "de": "ja"}}\n')
    columns = {"source": "translation.en", "target": "translation.de"}
    assert loaded(path, TRANSLATE, columns)["train"][0] == {"source": "yes", "target": "ja"}


@pytest.mark.parametrize("text", ['[\n{"text": "a", "label": 1},\n{"text": "b"}]', '[["a", 1], ["b", null]]'])
def test_a_json_array_of_rows(loaded: Load, tmp_path: Path, text: str) -> None:
    columns = {"text": 0, "label": 1} if "[[" in text else {}
    rows = loaded(write_text(tmp_path / "x.json", text), CLASSIFY, columns)["train"]
    assert list(rows) == [{"text": "a", "label": "1"}, {"text": "b", "label": None}]
    assert rows.origin(1) == ("x.json", 2)


def test_lines_of_arrays_are_no_json_array(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.json", '[["a", "b"], ["X", "Y"]]\n[["c"], ["Z"]]\n')
    rows = loaded(path, {"tokens": Role("tokens"), "tags": Role("tags")}, {"tokens": 0, "tags": 1})["train"]
    assert rows[1] == {"tokens": ["c"], "tags": ["Z"]}


def test_bad_elements_of_a_json_array(loaded: Load, tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", 1.0)
    path = write_text(tmp_path / "x.json", '[{"text": "a"}, 7, {"text": ["b"]}]')
    assert list(loaded(path, {"text": Role("text")}, quarantine=quarantine)["train"]) == [{"text": "a"}]
    found = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert [(b["row"], b["reason"]) for b in found] == [
        (2, "neither a JSON object nor an array"),
        (3, "text is a list, not text"),
    ]
    with pytest.raises(DataError, match="cut short"):
        loaded(write_text(tmp_path / "y.json", '[{"text": "a"}, {"te'), {"text": Role("text")})
    with pytest.raises(DataError, match="one JSON array: say format: array"):
        loaded(write_text(tmp_path / "z.json", '[\n{"text": "a"}\n]'), format="jsonl")


def test_files_that_a_column_is_part_of_the_name_of(loaded: Load, tmp_path: Path) -> None:
    write_text(tmp_path / "images" / "7.png", "x")
    path = write_text(tmp_path / "x.json", '[["what?", 7], ["and?", null]]')
    roles = {"text": Role("text"), "image": Role("image", required=False)}
    rows = loaded(path, roles, {"text": 0, "image": 1}, files={"1": "images/{}.png"})["train"]
    assert [r["image"] and r["image"]["path"] for r in rows] == [str(tmp_path / "images" / "7.png"), None]
    with pytest.raises(ValueError, match="no {} where the value goes"):
        Data(path=str(path), files={"1": "images/x.png"})


def test_plain_lines(loaded: Load, tmp_path: Path) -> None:
    rows = loaded(write_text(tmp_path / "x.txt", "one\n\ntwo\n"), {"text": Role("text")})["train"]
    assert list(rows) == [{"text": "one"}, {"text": "two"}]
    assert rows.origin(1) == ("x.txt", 3)


def test_conllu_keeps_syntactic_words(loaded: Load, tmp_path: Path) -> None:
    def word(*cells: str) -> str:
        return "\t".join([*cells, *["_"] * (10 - len(cells))]) + "\n"

    content = (
        "# text = Du vin.\n" + word("1-2", "Du") + word("1", "De", "de", "ADP") + word("2", "le", "le", "DET")
        + word("2.1", "ghost", "ghost", "X") + word("3", "vin", "vin", "NOUN") + "\n"
    )  # fmt: skip
    path = write_text(tmp_path / "x.conllu", content)
    assert list(loaded(path, TAG)["train"]) == [{"tokens": ["De", "le", "vin"], "tags": ["ADP", "DET", "NOUN"]}]
    assert loaded(path, TAG, {"tokens": "lemma", "tags": "xpos"})["train"][0] == {
        "tokens": ["de", "le", "vin"],
        "tags": None,
    }
    assert loaded(path, {"text": Role("text")})["train"][0] == {"text": "Du vin."}
    with pytest.raises(DataError, match='no column "upso"; did you mean "upos"'):
        loaded(path, TAG, {"tags": "upso"})


def test_class_folders(loaded: Load, tmp_path: Path) -> None:
    for split, label, name in [
        ("train", "pos", "0_9"),
        ("train", "neg", "1_2"),
        ("test", "pos", "0_10"),
        ("train", "unsup", "0_0"),
    ]:
        write_text(tmp_path / "imdb" / split / label / f"{name}.txt", f"{label} review {name}")
    splits = loaded(tmp_path / "imdb", {**CLASSIFY, "stars": Role("number")}, {"stars": "rating"})
    assert list(splits["train"]) == [
        {"text": "neg review 1_2", "label": "neg", "stars": 2.0},
        {"text": "pos review 0_9", "label": "pos", "stars": 9.0},
    ]
    assert len(splits["test"]) == 1
    assert splits["train"].origin(1) == ("train/pos/0_9.txt", 1)


def test_class_folders_without_splits(loaded: Load, tmp_path: Path) -> None:
    for label in ("a", "b"):
        write_text(tmp_path / "x" / label / "1.txt.gz", f"text of {label}")
    assert [r["label"] for r in loaded(tmp_path / "x")["train"]] == ["a", "b"]


def test_parallel_files_must_be_aligned(loaded: Load, tmp_path: Path) -> None:
    write_text(tmp_path / "mt" / "train.en", "a\nb\nc\n")
    write_text(tmp_path / "mt" / "train.de", "a\nb\n")
    with pytest.raises(DataError, match=r"train.en has 3 lines, train.de has 2 lines"):
        loaded(tmp_path / "mt", TRANSLATE, {"source": "en", "target": "de"})


def test_parallel_misses_a_language_by_name(loaded: Load, tmp_path: Path) -> None:
    for language in ("en", "de"):
        write_text(tmp_path / "mt" / f"train.{language}", "a\n")
    with pytest.raises(DataError, match=r'no files for the language "es" .*de, en'):
        loaded(tmp_path / "mt", TRANSLATE, {"source": "en", "target": "es"})


def test_parallel_by_stem_and_by_glob(loaded: Load, tmp_path: Path) -> None:
    for stem in ("news", "talk", "held"):
        for language in ("en", "de"):
            write_text(tmp_path / "mt" / f"{stem}.{language}", f"{stem} {language}\n")
    columns = {"source": "en", "target": "de"}
    splits = {"train": ["news.*", "talk"], "test": "held.en"}
    found = loaded(tmp_path / "mt", TRANSLATE, columns, splits=splits)
    assert [r["target"] for r in found["train"]] == ["news de", "talk de"]
    assert list(found["test"]) == [{"source": "held en", "target": "held de"}]
    assert list(loaded(tmp_path / "mt" / "news", TRANSLATE, columns)["train"]) == [
        {"source": "news en", "target": "news de"}
    ]


def test_class_names_stored_by_hugging_face(loaded: Load, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "tokens": datasets.List(datasets.Value("string")),
            "tags": datasets.List(datasets.ClassLabel(names=["O", "B-X"])),
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["no", "yes"]),
        }
    )
    rows = {"tokens": [["a", "b"], ["c"]], "tags": [[1, 0], [0]], "text": ["a b", "c"], "label": [1, -1]}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    dataset.to_parquet(str(tmp_path / "x.parquet"))
    datasets.DatasetDict({"train": dataset, "test": dataset}).save_to_disk(str(tmp_path / "saved"))
    dataset.save_to_disk(str(tmp_path / "one"))
    expected = [
        {"tokens": ["a", "b"], "tags": ["B-X", "O"], "text": "a b", "label": "yes"},
        {"tokens": ["c"], "tags": ["O"], "text": "c", "label": None},
    ]
    for path in (tmp_path / "x.parquet", tmp_path / "saved", tmp_path / "one"):
        assert list(loaded(path, {**TAG, **CLASSIFY})["train"]) == expected
    assert set(loaded(tmp_path / "saved", CLASSIFY)) == {"train", "test"}


def test_images_and_sounds_of_hugging_face_are_files_and_not_decoded(loaded: Load, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"image": [{"path": "", "bytes": b"no image at all"}], "audio": [{"path": "", "bytes": b"and no sound"}]}
    dataset = datasets.Dataset.from_dict(rows)
    decoding = dataset.cast_column("image", datasets.Image()).cast_column("audio", datasets.Audio())
    decoding.save_to_disk(str(tmp_path / "saved"))
    (found,) = loaded(tmp_path / "saved", {"image": Role("image"), "audio": Role("audio")})["train"]
    assert found["image"]["bytes"] == b"no image at all" and found["audio"]["bytes"] == b"and no sound"


def test_a_hub_data_set(loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    write_table(tmp_path / "hub" / "train.jsonl", ROWS, "jsonl")
    write_table(tmp_path / "hub" / "test.jsonl", ROWS[:1], "jsonl")
    splits = loaded(f"hf://{tmp_path / 'hub'}")  # a local folder stands for a name on the hub
    assert list(splits["train"]) == ROWS
    assert len(splits["test"]) == 1
    few = loaded(f"hf://{tmp_path / 'hub'}", splits={"train": "train[:2]"})
    assert len(few["train"]) == 2


def test_a_builtin_data_set(loaded: Load) -> None:
    splits = loaded("builtin:everyday", TAG)
    assert set(splits) == {"train", "validation", "test"}
    assert len(splits["train"][0]["tokens"]) == len(splits["train"][0]["tags"])
    with pytest.raises(DataError, match='no builtin data set "evryday"; did you mean "everyday"'):
        loaded("builtin:evryday", TAG)


def test_registry() -> None:
    assert {"csv", "jsonl", "parquet", "arrow", "lines", "conll", "conllu", "parallel", "folders", "hf"} <= set(
        readers()
    )
    assert reader("tsv") is reader("csv")
    with pytest.raises(DataError, match='no format "parkuet"; did you mean "parquet"'):
        reader("parkuet")

    class Twice(Reader):
        name = "csv"

        def read(self, source: Path, settings: Any) -> Any:
            raise NotImplementedError

    with pytest.raises(ValueError, match='format "csv" already'):
        register(Twice())


def test_installed_packages_add_formats(loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shouted(Lines):
        name = "shouted"
        suffixes = (".loud",)

        def read(self, source: Path, settings: Settings) -> Iterator[Record]:
            for row, value, _ in super().read(source, settings):
                yield Record(row, value if isinstance(value, Bad) else {k: str(v).upper() for k, v in value.items()})

    class Point:
        def load(self) -> type[Reader]:
            return Shouted

    monkeypatch.setattr("unisono.data.readers.entry_points", lambda group: [Point()])
    monkeypatch.setattr("unisono.data.readers._READERS", readers())
    _plugins.__wrapped__()
    monkeypatch.setattr("unisono.data.readers._plugins", lambda: None)
    rows = loaded(write_text(tmp_path / "x.loud", "hey\nyou\n"), {"text": Role("text")})["train"]
    assert [r["text"] for r in rows] == ["HEY", "YOU"]


def test_large_arrow_batches_and_dictionaries(loaded: Load, tmp_path: Path) -> None:
    table = pa.table({"text": [f"t{i}" for i in range(5000)], "label": pa.array(["a", "b"] * 2500).dictionary_encode()})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=5000)
    rows = loaded(tmp_path / "x.parquet")["train"]
    assert (rows[4999], rows.origin(4999)) == ({"text": "t4999", "label": "b"}, ("x.parquet", 5000))


def test_gzip_is_known_by_its_content(loaded: Load, tmp_path: Path) -> None:
    packed = write_table(tmp_path / "x.jsonl.gz", ROWS, "jsonl")
    assert len(loaded(packed.rename(tmp_path / "x.jsonl"))["train"]) == 3


def test_a_cut_gzip_file(loaded: Load, tmp_path: Path) -> None:
    path = write_table(tmp_path / "x.jsonl.gz", ROWS, "jsonl")
    write_bytes(tmp_path / "cut.jsonl", path.read_bytes()[:40])
    with pytest.raises(DataError, match="damaged or cut short"):
        loaded(tmp_path / "cut.jsonl")
