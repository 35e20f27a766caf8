"""Files that rows name: what was made of them is made anew when they change; and what killed builds leave goes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.conftest import Load, write_text
from unisono.data import Role, Rows, encode
from unisono.data.fingerprint import files_state
from unisono.data.leftovers import sweep, workplace

ROLES = {"image": Role("image"), "label": Role("label")}


class Made:
    """Counts the rows that are encoded: each into the first byte of its file."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.rows = cache, 0

    def __call__(self, rows: Rows) -> list[int]:
        self.rows = 0
        return [int(one["ids"][0]) for one in encode(rows, self._batch, "first byte", self.cache)]

    def _batch(self, rows: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
        self.rows += len(rows)
        content = [row["image"]["bytes"] or Path(row["image"]["path"]).read_bytes() for row in rows]
        return [{"ids": np.array([c[0]], np.int32)} for c in content]


def test_a_file_that_changes_is_read_again(loaded: Load, tmp_path: Path) -> None:
    for i in range(5):
        write_text(tmp_path / f"{i}.png", "abcde"[i])
    path = write_text(tmp_path / "x.csv", "image,label\n" + "".join(f"{i}.png,a\n" for i in range(5)))
    rows, made = loaded(path, ROLES)["train"], Made(tmp_path / "cache")
    assert made(rows) == [97, 98, 99, 100, 101]
    assert (made(rows), made.rows) == ([97, 98, 99, 100, 101], 0)
    write_text(tmp_path / "3.png", "zz")
    assert (made(loaded(path, ROLES)["train"])[3], made.rows) == (ord("z"), 5)
    os.utime(tmp_path / "3.png", ns=(1, 1))  # the same size at another time
    assert (len(made(rows)), made.rows) == (5, 5)
    some = rows.select(np.array([0, 2]))
    made(some)
    write_text(tmp_path / "1.png", "none of the two")
    assert (made(some), made.rows) == ([97, 99], 0)


def test_a_file_that_comes_or_goes_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    before = files_state([str(path), "a\0b", "x" * 5000])
    path.write_bytes(b"x")
    after = files_state([str(path), "a\0b", "x" * 5000])
    assert before != after
    path.unlink()
    assert files_state([str(path), "a\0b", "x" * 5000]) == before


def test_bytes_in_the_rows_are_no_files(loaded: Load, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = [{"path": "0.png", "bytes": b"a"}, None, {"path": "2.png", "bytes": None}]
    pq.write_table(pa.table({"image": values, "label": ["a", "b", "c"]}), tmp_path / "x.parquet")
    roles = {"image": Role("image", required=False), "label": Role("label")}
    assert list(loaded(tmp_path / "x.parquet", roles)["train"].files()) == ["2.png"]


@pytest.mark.parametrize("form", ["coco", "voc", "ljspeech", "sphinx"])
def test_files_that_come_later_are_found(loaded: Load, tmp_path: Path, form: str) -> None:
    root = tmp_path / "data"
    if form == "coco":
        text = '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": []}'
        path, late = write_text(root / "annotations" / "instances_train.json", text), root / "images" / "a.png"
        roles: dict[str, Role] = {"image": Role("image"), "boxes": Role("boxes")}
    elif form == "voc":
        write_text(root / "Annotations" / "a.xml", "<annotation/>")
        path, late = root, root / "JPEGImages" / "a.png"
        late.parent.mkdir()
        roles = {"image": Role("image"), "boxes": Role("boxes")}
    else:
        roles = {"audio": Role("audio"), "text": Role("text")}
        if form == "ljspeech":
            path, late = write_text(root / "metadata.csv", "b|x\na|x\n").parent, root / "wavs" / "a.wav"
        else:
            path = write_text(root / "etc" / "train.transcription", "x (b)\nx (a)\n").parent.parent
            late = root / "wav" / "deep" / "a.wav"
        write_text(late.with_name("b.wav"), "")
    spec = {"format": form, "quarantine": _all_may_be_bad()}
    before = loaded(path, roles, **spec)["train"]
    write_text(late, "x")
    after = loaded(path, roles, **spec)["train"]
    assert str(late.resolve()) not in list(before.files())
    assert str(late.resolve()) in [os.path.realpath(name) for name in after.files()]


def _all_may_be_bad() -> Any:
    from unisono.data import Quarantine

    return Quarantine(None, 1.0)


def gone() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    here, old = workplace(tmp_path / "rows-00").name.split(".")[2], time.time() - 7200
    assert here == "".join(c if c.isalnum() or c in "_-" else "-" for c in socket.gethostname())[:40]
    leftovers = {
        f".rows-0a.{here}.{gone()}.00000000": True,
        f".examples-0a.{here}.{os.getpid()}.00000000": False,  # its process lives
        ".rows-0a.elsewhere-1.1.00000000": False,  # perhaps its does, too
        ".rows-0a.00000000": False,
        "rows-0a": False,
        ".somebody.00000000": False,
    }
    for name in leftovers:
        write_text(tmp_path / name / "rows.arrow", "half")
    sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == set(leftovers)  # all were written to just now
    for path in tmp_path.rglob("*"):
        os.utime(path, (old, old))
    sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {name for name, dead in leftovers.items() if not dead}
    for path in tmp_path.rglob("*"):
        os.utime(path, (old - 86400, old - 86400))
    sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"rows-0a", ".somebody.00000000"}


def test_building_sweeps_and_leaves_nothing(loaded: Load, tmp_path: Path) -> None:
    left = workplace(tmp_path / "cache" / "rows-00")
    left = left.with_name(left.name.replace(f".{os.getpid()}.", f".{gone()}."))
    write_text(left / "rows.arrow", "half")
    for path in (left / "rows.arrow", left):
        os.utime(path, (1, 1))
    loaded(write_text(tmp_path / "x.jsonl", '{"text": "fine", "label": "a"}\n'))
    (entry,) = (tmp_path / "cache").iterdir()
    assert entry.name.startswith("rows-")
