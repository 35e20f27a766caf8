"""Whatever bytes a file holds, reading it ends in rows or in a DataError."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.conftest import CLASSIFY, TABLES, TAG, TRANSLATE, read, write_bytes, write_table, write_text
from unisono.data import DataError, Quarantine, Role, sniff

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = ["x.csv", "x.tsv", "x.jsonl", "x.parquet", "x.arrow", "x.txt", "x.conll", "x.conllu", "x", "x.csv.gz"]
SPICE = [
    b'"',
    b",",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"{",
    b"[",
    b"\x1f\x8b",
    b"text",
    b"label",
    b"1 ",
    b"\xef\xbb\xbf",
    b"ARROW1",
    b"PAR1",
]
content = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(SPICE), max_size=60).map(b"".join))


def survives(folder: Path, path: Path, roles: Any, columns: Any = None, **spec: Any) -> None:
    with suppress(DataError):
        for rows in read(folder, path, roles, columns, quarantine=Quarantine(folder / "q.jsonl", 1.0), **spec).values():
            assert len(list(rows)) == len(rows)
    with suppress(DataError):
        sniff(path)


@FEW
@given(data=content, name=st.sampled_from(NAMES), columns=st.sampled_from([{}, {"text": 0, "label": 1}]))
def test_random_bytes(data: bytes, name: str, columns: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        roles = {n: Role(r.kind, required=False) for n, r in CLASSIFY.items()} if len(data) % 2 else CLASSIFY
        survives(Path(folder), path, TAG if "conll" in name else roles, {} if "conll" in name else columns)


@FEW
@given(data=content, encoding=st.sampled_from(["latin-1", "utf-16", "utf-32", "shift_jis", "utf-7"]))
def test_random_bytes_in_any_encoding(data: bytes, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(data)
        survives(Path(folder), path, CLASSIFY, {"text": 0, "label": 1}, encoding=encoding)


ROWS = [{"text": f"some text {i}", "label": "ab"[i % 2]} for i in range(20)]


@FEW
@given(
    suffix=st.sampled_from([*TABLES, "csv.gz", "parquet.gz"]),
    at=st.floats(0, 0.999),
    patch=st.binary(min_size=1, max_size=8),
    cut=st.booleans(),
)
def test_damaged_files(suffix: str, at: float, patch: bytes, cut: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / f"x.{suffix}", ROWS, suffix.removesuffix(".gz"))
        data = path.read_bytes()
        place = int(at * len(data))
        path.write_bytes(data[:place] + (b"" if cut else patch + data[place + len(patch) :]))
        survives(Path(folder), path, CLASSIFY)


@FEW
@given(one=content, two=content)
def test_random_parallel_files_and_class_folders(one: bytes, two: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for language, data in {"en": one, "de": two}.items():
            write_bytes(Path(folder) / "mt" / f"train.{language}", data)
            write_bytes(Path(folder) / "imdb" / language / "1_2.txt", data)
        survives(Path(folder), Path(folder) / "mt", TRANSLATE, {"source": "en", "target": "de"})
        survives(Path(folder), Path(folder) / "imdb", CLASSIFY)


@pytest.mark.parametrize("name", ["dataset_dict.json", "dataset_info.json"])
def test_a_folder_that_only_looks_saved(tmp_path: Path, name: str) -> None:
    for text in ("", "{}", '{"splits": ["train"]}', "[1]"):
        write_text(tmp_path / "x" / name, text)
        survives(tmp_path, tmp_path / "x", CLASSIFY)
