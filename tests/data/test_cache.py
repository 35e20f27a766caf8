"""The cache: built once, found again when nothing changed, built anew when anything did, never half written."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import Load, read, write_table, write_text
from unisono.data import DataError, Role
from unisono.data.readers.jsonl import JsonLines

GOOD = '{"text": "fine", "label": "a"}\n'


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The sources that were really read."""
    seen: list[Path] = []
    plain = JsonLines.read

    def spied(self: JsonLines, source: Path, settings: Any) -> Any:
        seen.append(source)
        return plain(self, source, settings)

    monkeypatch.setattr(JsonLines, "read", spied)
    return seen


def test_read_once(loaded: Load, tmp_path: Path, reads: list[Path]) -> None:
    path = write_text(tmp_path / "x.jsonl", GOOD * 5)
    first = loaded(path)["train"]
    assert list(loaded(path)["train"]) == list(first)
    os.utime(path)  # small files are known by content
    loaded(path)
    assert len(reads) == 1


def test_read_again_when_anything_changes(loaded: Load, tmp_path: Path, reads: list[Path]) -> None:
    path = write_text(tmp_path / "x.jsonl", GOOD)
    prints = {loaded(path)["train"].fingerprint}
    prints.add(loaded(path, columns={"label": "text"})["train"].fingerprint)
    prints.add(loaded(path, {"text": Role("text"), "label": Role("labels")})["train"].fingerprint)
    prints.add(loaded(path, encoding="latin-1")["train"].fingerprint)
    write_text(path, GOOD.replace("fine", "evil"))  # same size
    prints.add(loaded(path)["train"].fingerprint)
    assert len(reads) == len(prints) == 5


def test_a_large_file_is_known_by_its_ends_and_time(loaded: Load, tmp_path: Path, reads: list[Path]) -> None:
    path = write_text(tmp_path / "x.jsonl", GOOD * 50_000)
    loaded(path)
    loaded(path)
    assert len(reads) == 1
    os.utime(path, ns=(1, 1))
    loaded(path)
    assert len(reads) == 2


def test_the_same_content_elsewhere_is_the_same(tmp_path: Path, reads: list[Path]) -> None:
    for folder in ("a", "b"):
        read(tmp_path, write_text(tmp_path / folder / "x.jsonl", GOOD))
    assert len(reads) == 1


@pytest.mark.parametrize("harm", ["truncate", "no facts", "garbage"])
def test_a_damaged_entry_is_built_anew(loaded: Load, tmp_path: Path, reads: list[Path], harm: str) -> None:
    path = write_text(tmp_path / "x.jsonl", GOOD * 5)
    loaded(path)
    (entry,) = (tmp_path / "cache").iterdir()
    if harm == "truncate":
        (entry / "rows.arrow").write_bytes((entry / "rows.arrow").read_bytes()[:-9])
    elif harm == "no facts":
        (entry / "meta.json").unlink()
    else:
        (entry / "rows.arrow").write_bytes(b"x" * (entry / "rows.arrow").stat().st_size)
    assert len(loaded(path)["train"]) == 5
    assert len(reads) == 2


def test_a_conversion_that_fails_leaves_nothing(loaded: Load, tmp_path: Path) -> None:
    for language, lines in {"en": 3, "de": 2}.items():
        write_text(tmp_path / "mt" / f"train.{language}", "x\n" * lines)
    with pytest.raises(DataError):
        loaded(tmp_path / "mt", {"source": Role("text"), "target": Role("text")}, {"source": "en", "target": "de"})
    assert list((tmp_path / "cache").iterdir()) == []


def test_rows_travel_to_other_processes(loaded: Load, tmp_path: Path) -> None:
    path = write_table(tmp_path / "x.csv", [{"text": f"t{i}", "label": "a"} for i in range(20)], "csv")
    for rows in loaded(path, ratio={"validation": 0.25}).values():
        again = pickle.loads(pickle.dumps(rows))
        assert list(again) == list(rows)
        assert again.fingerprint == rows.fingerprint


def test_memory_given_back_does_not_change_what_is_read(
    loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unisono.data.mapped._KEEP", 1)  # give back after every touch
    monkeypatch.setattr("unisono.data.mapped._BATCHES", 2)
    monkeypatch.setattr("unisono.data.convert._ROWS", 7)
    content = "".join(f'{{"text": "row {i}", "label": "{i % 3}"}}\n' for i in range(100))
    rows = loaded(write_text(tmp_path / "x.jsonl", content))["train"]
    expected = [{"text": f"row {i}", "label": str(i % 3)} for i in range(100)]
    assert [rows[i] for i in range(100)] == list(rows) == expected
    assert rows[-1] == expected[-1]
    assert rows.origin(99) == ("x.jsonl", 100)
    with pytest.raises(IndexError):
        rows[100]


def test_importing_the_room_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, unisono.data; sys.exit('torch' in sys.modules or 'datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
