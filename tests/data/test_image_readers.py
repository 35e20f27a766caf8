"""Readers of images: class folders, idx files, image and mask folders; damaged ones end in rows or a DataError."""

from __future__ import annotations

import gzip
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, read, real
from unisono.data import DataError, Role, sniff
from unisono.pictures import BadPicture, numbers, pixels

Image = pytest.importorskip("PIL.Image")

IMAGES = {"image": Role("image"), "label": Role("label")}
MASKS = {"image": Role("image"), "mask": Role("mask")}
RNG = np.random.default_rng(0)


def picture(path: Path, shape: tuple[int, ...] = (4, 6, 3), most: int = 256) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, most, shape, dtype=np.uint8)).save(path)
    return path


def idx(path: Path, values: np.ndarray) -> Path:
    data = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_a_folder_for_each_class(loaded: Load, tmp_path: Path) -> None:
    for split, count in {"train": 3, "test": 2}.items():
        for label in ("cat", "dog"):
            for i in range(count):
                picture(tmp_path / "x" / split / label / f"{i}.png")
    guess = sniff(tmp_path / "x")
    assert (guess.format, guess.kind, guess.columns) == ("images", "classify", {"image": "image", "label": "label"})
    (tmp_path / "x" / "train" / "cat" / "notes.txt").write_text("no image")
    found = loaded(tmp_path / "x", IMAGES)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 6, "test": 4}
    assert [row["label"] for row in found["train"]] == ["cat"] * 3 + ["dog"] * 3
    first = found["train"][0]["image"]
    assert first["path"] == str((tmp_path / "x" / "train" / "cat" / "0.png").resolve())
    assert pixels(first)[0].shape == (4, 6, 3)
    assert found["train"].origin(0) == ("train/cat/0.png", 1)


def test_class_folders_without_splits_are_to_learn_from(loaded: Load, tmp_path: Path) -> None:
    picture(tmp_path / "x" / "a" / "1.png"), picture(tmp_path / "x" / "b" / "2.JPG")
    found = loaded(tmp_path / "x", IMAGES)
    assert {split: [row["label"] for row in rows] for split, rows in found.items()} == {"train": ["a", "b"]}


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 3)])
@pytest.mark.parametrize("gz", ["", ".gz"])
def test_idx_files_give_their_pixels(loaded: Load, tmp_path: Path, shape: tuple[int, ...], gz: str) -> None:
    (tmp_path / "x").mkdir()
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    for split in ("train", "t10k"):
        idx(tmp_path / "x" / f"{split}-images-idx{len(shape)}-ubyte{gz}", images)
        idx(tmp_path / "x" / f"{split}-labels-idx1-ubyte{gz}", np.arange(5, dtype=np.uint8))
    found = loaded(tmp_path / "x", IMAGES)
    assert set(found) == {"train", "test"}
    assert [row["label"] for row in found["test"]] == list("01234")
    for row, image in zip(found["test"], images, strict=True):
        np.testing.assert_array_equal(pixels(row["image"], channels=3 if len(shape) == 4 else 1)[0].squeeze(), image)
    assert sniff(tmp_path / "x").format == "idx"


def test_one_pair_of_idx_files_is_to_learn_from(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    idx(tmp_path / "x" / "t10k-images-idx3-ubyte", np.zeros((9, 2, 2), np.uint8))
    idx(tmp_path / "x" / "t10k-labels-idx1-ubyte", np.zeros(9, np.uint8))
    assert {s: len(rows) for s, rows in loaded(tmp_path / "x", IMAGES).items()} == {"train": 9}
    assert len(loaded(tmp_path / "x" / "t10k-images-idx3-ubyte", IMAGES)["train"]) == 9


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (np.zeros((3, 2, 2), np.uint8), np.zeros(2, np.uint8), "3 images.* 2 labels"),
        (np.zeros((3, 2, 2, 2), np.uint8), np.zeros(3, np.uint8), "images of shape"),
        (np.zeros((3, 0, 2), np.uint8), np.zeros(3, np.uint8), "cannot be"),
    ],
)
def test_idx_files_that_do_not_agree(loaded: Load, tmp_path: Path, images, labels, reason) -> None:
    (tmp_path / "x").mkdir()
    path = idx(tmp_path / "x" / "train-images-idx3-ubyte", images)
    idx(tmp_path / "x" / "train-labels-idx1-ubyte", labels)
    with pytest.raises(DataError, match=reason):
        loaded(path, IMAGES, format="idx")


def test_an_idx_file_without_labels_or_cut_short(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    path = idx(tmp_path / "x" / "train-images-idx3-ubyte", np.zeros((3, 2, 2), np.uint8))
    with pytest.raises(DataError, match="no file of labels"):
        loaded(path, IMAGES, format="idx")
    idx(tmp_path / "x" / "train-labels-idx1-ubyte", np.zeros(3, np.uint8))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="ends before its header says"):
        loaded(path, IMAGES, format="idx")


def test_an_idx_header_that_promises_too_much_takes_no_memory(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    path = tmp_path / "x" / "train-images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**31, 2**31))
    (tmp_path / "x" / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 2**32 - 1))
    with pytest.raises(DataError, match="cannot be"):
        loaded(path, IMAGES, format="idx")


@settings(max_examples=60)
@given(cut=st.integers(0, 60), at=st.integers(0, 40), patch=st.binary(max_size=6), gz=st.booleans())
def test_damaged_idx_files(cut: int, at: int, patch: bytes, gz: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"train-images-idx3-ubyte{'.gz' * gz}"
        data = bytearray(idx(path, np.zeros((4, 3, 3), np.uint8)).read_bytes())
        data[at : at + len(patch)] = patch
        path.write_bytes(bytes(data[: len(data) - cut]))
        idx(Path(folder) / "train-labels-idx1-ubyte", np.zeros(4, np.uint8))
        try:
            for row in read(Path(folder), path, IMAGES, format="idx")["train"]:
                pixels(row["image"])
        except (DataError, BadPicture):
            pass


LAYOUTS = {
    "camvid": {"train": ("train", "trainannot"), "test": ("test", "testannot")},
    "halves": {"train": ("image", "label")},
    "nested": {"train": ("train/images", "train/masks"), "validation": ("val/images", "val/masks")},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_images_and_masks_side_by_side(loaded: Load, tmp_path: Path, layout) -> None:
    for split, (images, masks) in layout.items():
        for i in range(2 + (split == "train")):
            picture(tmp_path / "x" / images / f"{i}.png")
            if i:
                picture(tmp_path / "x" / masks / f"{i}.png", (4, 6), 3)
    found = loaded(tmp_path / "x", MASKS)
    assert {split: len(rows) for split, rows in found.items()} == {s: 2 + (s == "train") for s in layout}
    rows = list(found["train"])
    assert rows[0]["mask"] is None  # an image without a mask has no label
    assert numbers(rows[1]["mask"]).shape == (4, 6)
    assert Path(rows[1]["mask"]["path"]).name == Path(rows[1]["image"]["path"]).name
    assert sniff(tmp_path / "x").kind == "segment"


def test_a_mask_may_have_a_mark_after_the_name(loaded: Load, tmp_path: Path) -> None:
    picture(tmp_path / "x" / "images" / "a.jpg"), picture(tmp_path / "x" / "masks" / "a_mask.png", (4, 6), 3)
    assert loaded(tmp_path / "x", MASKS)["train"][0]["mask"]["path"].endswith("a_mask.png")


@pytest.mark.parametrize("name", ["a.png", "masks", "images"])
def test_strange_folders_end_in_rows_or_an_error(tmp_path: Path, name: str) -> None:
    for format in ("images", "masks", "idx"):
        (tmp_path / format / "train" / name).mkdir(parents=True)
        (tmp_path / format / "train" / "x.png").write_bytes(b"junk")
        roles = MASKS if format == "masks" else IMAGES
        with suppress(DataError):
            for rows in read(tmp_path, tmp_path / format, roles, format=format).values():
                assert all(row["image"]["path"].endswith("x.png") for row in rows)
        with suppress(DataError):
            sniff(tmp_path / format)


def test_real_folders_are_read(tmp_path: Path) -> None:
    cifar = read(tmp_path, real("vision/cifar10-subset"), IMAGES)
    assert {s: len(rows) for s, rows in cifar.items()} == {"train": 8000, "test": 2000}
    mnist = read(tmp_path, real("vision/mnist-t10k"), IMAGES)
    assert {s: len(rows) for s, rows in mnist.items()} == {"train": 10_000}
    assert pixels(mnist["train"][0]["image"], channels=1)[0].shape == (28, 28, 1)
    camvid = read(tmp_path, real("segmentation/camvid-21"), MASKS)
    assert {s: len(rows) for s, rows in camvid.items()} == {"train": 14, "test": 7}
    assert set(np.unique(numbers(camvid["train"][0]["mask"]))) <= set(range(12))
    isbi = read(tmp_path, real("segmentation/isbi2012-em"), MASKS)
    assert {s: len(rows) for s, rows in isbi.items()} == {"train": 20}
    assert set(np.unique(numbers(isbi["train"][0]["mask"]))) == {0, 255}
