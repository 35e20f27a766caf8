"""Readers of boxes: Pascal VOC and COCO; damaged and hostile files end in rows, bad rows or a DataError."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, read, real, write_bytes, write_text
from unisono.data import DataError, Quarantine, Role, sniff

BOXES = {"image": Role("image"), "boxes": Role("boxes")}
CAT = {"label": "cat", "box": [1.0, 2.0, 5.0, 7.5]}


def xml(*objects: str, name: str = "a.jpg") -> str:
    return f"<annotation><filename>{name}</filename>{''.join(objects)}</annotation>"


def thing(label: str = "cat", box: tuple[Any, ...] = (1, 2, 5, 7.5)) -> str:
    sides = "".join(f"<{n}>{v}</{n}>" for n, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{label}</name><bndbox>{sides}</bndbox></object>"


def voc(root: Path, **annotations: str) -> Path:
    for name, content in annotations.items():
        write_text(root / "Annotations" / f"{name}.xml", content)
        write_bytes(root / "JPEGImages" / f"{name}.jpg", b"x")
    return root


def coco(path: Path, **changes: Any) -> Path:
    content = {
        "info": {"year": 2017},
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "bbox": [1, 2, 4, 5.5], "iscrowd": 0, "segmentation": [[1, 2]]},
            {"image_id": 7, "category_id": 3, "bbox": [1, 2, 0, 5], "iscrowd": 0},
            {"image_id": 8, "category_id": 3, "bbox": [1, 2, 4, 5], "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "cat"}],
        **changes,
    }
    write_bytes(path.parent.parent / "train2017" / "a.jpg", b"x")
    return write_text(path, json.dumps(content))


def test_voc_lists_name_the_rows(loaded: Load, tmp_path: Path) -> None:
    root = voc(tmp_path / "x", a=xml(thing(), thing("dog", (3, 3, 3, 9))), b=xml(name="b.jpg"))
    write_text(root / "ImageSets" / "Main" / "train.txt", "a\n\nb  -1\n")
    write_text(root / "ImageSets" / "Main" / "val.txt", "b\n")
    found = loaded(root, BOXES)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 2, "validation": 1}
    assert [row["boxes"] for row in found["train"]] == [[CAT], []]
    assert found["train"][0]["image"]["path"] == str((root / "JPEGImages" / "a.jpg").resolve())
    assert (sniff(root).format, sniff(root).kind) == ("voc", "detect")


def test_voc_without_lists_is_all_of_its_annotations(loaded: Load, tmp_path: Path) -> None:
    root = voc(tmp_path / "x", a=xml(thing()), b=xml())
    assert {split: len(rows) for split, rows in loaded(root, BOXES).items()} == {"train": 2}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<annotation>", "no XML"),
        ("", "no XML"),
        (xml("<object><name>cat</name></object>"), "without a name or a box"),
        (xml(thing(box=("x", 1, 2, 3))), "no numbers"),
        (xml(thing(box=(0, 0, "inf", 3))), "infinite"),
        (xml(thing(box=(0, 0, "nan", 3))), None),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "document type"),
    ],
)
def test_a_broken_annotation_is_a_bad_row(tmp_path: Path, content: str, reason: str | None) -> None:
    root = voc(tmp_path / "x", a=content, b=xml(thing(), name="b.jpg"))
    quarantine = Quarantine(tmp_path / "q.jsonl", 1.0)
    rows = read(tmp_path, root, BOXES, quarantine=quarantine)["train"]
    assert len(rows) == (1 if reason else 2)
    assert not reason or reason in (tmp_path / "q.jsonl").read_text()


def test_a_billion_laughs_are_not_heard(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    root = voc(tmp_path / "x", a=f'<!DOCTYPE x [<!ENTITY l0 "ha">{entities}]><x>&l9;</x>', b=xml(name="b.jpg"))
    assert len(read(tmp_path, root, BOXES, quarantine=Quarantine(None, 1.0))["train"]) == 1


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "nowhere"])
def test_a_list_cannot_name_files_elsewhere(tmp_path: Path, name: str) -> None:
    root = voc(tmp_path / "x", a=xml(thing(), name="../../../etc/passwd"))
    write_text(root / "ImageSets" / "Main" / "train.txt", f"{name}\na\n")
    rows = read(tmp_path, root, BOXES, quarantine=Quarantine(None, 1.0))["train"]
    assert [Path(row["image"]["path"]).name for row in rows] == ["a.jpg"]


def test_coco_boxes_become_corners(loaded: Load, tmp_path: Path) -> None:
    path = coco(tmp_path / "x" / "annotations" / "instances_train2017.json")
    for place in (tmp_path / "x", path):
        rows = loaded(place, BOXES)["train"]
        assert [row["boxes"] for row in rows] == [[CAT], []]
        assert rows[0]["image"]["path"] == str((tmp_path / "x" / "train2017" / "a.jpg").resolve())
        assert (sniff(place).format, sniff(place).kind) == ("coco", "detect")


@pytest.mark.parametrize(
    "changes",
    [
        {"images": [3]},
        {"images": [{"id": 7}]},
        {"images": {"id": 7}},
        {"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3]}]},
        {"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 1e300]}]},
        {"annotations": [{"image_id": [7], "category_id": 3, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": 7, "category_id": 4, "bbox": [1, 2, 3, 4]}]},
        {"categories": [{"id": {}, "name": "cat"}]},
    ],
)
def test_coco_files_that_do_not_hold_together(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = coco(tmp_path / "x" / "annotations" / "instances_train2017.json", **changes)
    with suppress(DataError):
        for row in read(tmp_path, path, BOXES, format="coco", quarantine=Quarantine(None, 1.0))["train"]:
            assert row["boxes"] is not None


@settings(max_examples=60)
@given(at=st.floats(0, 0.999), patch=st.binary(min_size=1, max_size=6), cut=st.booleans(), kind=st.sampled_from("vc"))
def test_damaged_files(at: float, patch: bytes, cut: bool, kind: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "v":
            path = voc(folder / "x", a=xml(thing()), b=xml()) / "Annotations" / "a.xml"
        else:
            path = coco(folder / "x" / "annotations" / "instances_train2017.json")
        data = path.read_bytes()
        place = int(at * len(data))
        path.write_bytes(data[:place] + (b"" if cut else patch + data[place + len(patch) :]))
        with suppress(DataError):
            read(folder, folder / "x", BOXES, format={"v": "voc", "c": "coco"}[kind], quarantine=Quarantine(None, 1.0))
        with suppress(DataError):
            sniff(folder / "x")


def test_real_boxes_are_read(tmp_path: Path) -> None:
    cells = read(tmp_path, real("detection/bccd"), BOXES)
    assert {split: len(rows) for split, rows in cells.items()} == {"train": 137, "validation": 57, "test": 49}
    labels = [b["label"] for rows in cells.values() for row in rows for b in row["boxes"]]
    assert (labels.count("RBC"), labels.count("WBC"), labels.count("Platelets")) in ((2758, 247, 253), (2759, 247, 252))
    things = read(tmp_path, real("vision/coco-mini"), BOXES)
    assert {split: len(rows) for split, rows in things.items()} == {"train": 80, "validation": 79}
    assert all(Path(row["image"]["path"]).is_file() for row in things["train"])
