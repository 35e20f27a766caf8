"""COCO's captions: a row for each image, or for each caption."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, read, write_text
from unisono.data import DataError, Quarantine, Role

CAPTIONED = {"image": Role("image"), "caption": Role("references")}
ALL = {"caption": "captions"}


def captions(path: Path, **changes: Any) -> Path:
    said = [(1, "A dog."), (2, "A cat."), (1, "One dog ")]
    content = {
        "info": {"year": 2017},
        "annotations": [{"id": i, "image_id": n, "caption": text} for i, (n, text) in enumerate(said)],
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 4} for n in (1, 2, 3)],
    }
    return write_text(path, json.dumps({**content, **changes}))


def test_a_row_for_each_image_or_for_each_caption(loaded: Load, tmp_path: Path) -> None:
    captions(tmp_path / "x" / "annotations" / "captions_train2017.json")
    captions(tmp_path / "x" / "annotations" / "instances_train2017.json")
    image = write_text(tmp_path / "x" / "train2017" / "1.jpg", "")
    rows = loaded(tmp_path / "x", CAPTIONED, ALL)["train"]
    assert [row["caption"] for row in rows] == [["A dog.", "One dog "], ["A cat."], None]
    assert rows[0]["image"]["path"] == str(image)
    texts = loaded(tmp_path / "x", {"image": Role("image"), "caption": Role("text", required=False)})["train"]
    assert [row["caption"] for row in texts] == ["A dog.", "One dog ", "A cat.", None]


@pytest.mark.parametrize(
    "changes", [{"images": [7]}, {"annotations": [{"caption": "x"}]}, {"annotations": ["x"]}, {"images": [{"id": 1}]}]
)
def test_files_that_do_not_hold_together(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = captions(tmp_path / "captions.json", **changes)
    with pytest.raises(DataError):
        read(tmp_path, path, CAPTIONED, ALL, format="captions")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.floats(0, 0.999), patch=st.sampled_from([b"", b"[", b"}", b'"', b"\xff", b"0", b"null"]))
def test_damaged_files(at: float, patch: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = captions(Path(folder) / "captions.json")
        data = path.read_bytes()
        place = int(at * len(data))
        path.write_bytes(data[:place] + (patch + data[place + len(patch) :] if patch else b""))
        with suppress(DataError):
            quarantine = Quarantine(None, 1.0)
            list(read(Path(folder), path, CAPTIONED, ALL, format="captions", quarantine=quarantine)["train"])


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("yes", ["yes"]),
        ('["yes", "yeah"]', ["yes", "yeah"]),
        (["a", " ", None], ["a"]),
        ([], None),
        (" ", None),
        (3, ["3"]),
        (None, None),
    ],
)
def test_references(loaded: Load, tmp_path: Path, value: Any, kept: Any) -> None:
    path = write_text(tmp_path / "x.jsonl", json.dumps({"text": "q", "answer": value}))
    assert loaded(path, {"text": Role("text"), "answer": Role("references")})["train"][0]["answer"] == kept


def test_real_captions(tmp_path: Path, real_data: Path) -> None:
    found = read(tmp_path, real_data / "vision" / "coco-mini", CAPTIONED, ALL)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 80, "validation": 79}
    assert sum(len(row["caption"]) for rows in found.values() for row in rows) == 795
    assert all(Path(row["image"]["path"]).is_file() for row in found["train"])
