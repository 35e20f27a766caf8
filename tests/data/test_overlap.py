"""Held-out rows that training has seen are counted: texts as they stand, files by what is in them."""

from __future__ import annotations

from pathlib import Path

from tests.data.conftest import CLASSIFY, Load, write_text
from unisono.data import Role, overlap


def texts(folder: Path, **splits: list[str]) -> Path:
    for split, rows in splits.items():
        write_text(folder / f"{split}.csv", "text,label\n" + "".join(f"{row},x\n" for row in rows))
    return folder


def test_texts_that_stand_in_both(loaded: Load, tmp_path: Path) -> None:
    splits = loaded(texts(tmp_path / "rows", train=["a b", "c d", "e f"], test=["a b", "a b", "A b", "g h"]), CLASSIFY)
    assert overlap(splits["train"], splits["test"], ["text", "pair"]) == 2
    assert overlap(splits["test"], splits["train"], ["text"]) == 1
    assert overlap(splits["train"], splits["test"], ["pair"]) == 0  # nobody has one, and nothing is like nothing


def test_inputs_that_recur_by_nature_are_no_leak(loaded: Load, tmp_path: Path) -> None:
    splits = loaded(texts(tmp_path / "rows", train=["one", "two"] * 5, test=["one"]), CLASSIFY)
    assert overlap(splits["train"], splits["test"], ["text"]) == 0


def test_files_that_are_copies(loaded: Load, tmp_path: Path) -> None:
    for name, content in (
        ("train/x/1.png", "one"),
        ("train/y/2.png", "two"),
        ("test/x/7.png", "two"),
        ("test/y/8.png", "3"),
    ):
        write_text(tmp_path / name, content)
    roles = {"image": Role("image"), "label": Role("label")}
    splits = loaded(tmp_path, roles, {"image": "image"})
    assert overlap(splits["train"], splits["test"], ["image"]) == 1
