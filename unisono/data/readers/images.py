"""images: one folder for each class, one image for each row: train/cat/0001.jpg or ROOT/cat/0001.jpg."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from unisono.data.readers.base import Reader, Record, Settings, is_file, split_folders
from unisono.pictures import SUFFIXES


class Images(Reader):
    """Columns: image (the file's name), label (the folder's name)."""

    name = "images"
    counts = "file"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(["image", "label"], str(source))
        for label in image_folders(source):
            for path in pictures(source / label):
                yield Record(1, {"image": str(path), "label": label}, f"{source.name}/{label}/{path.name}")

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return [path for label in image_folders(source) for path in pictures(source / label)]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        return split_folders(root, image_folders)


def image_folders(folder: Path) -> list[str]:
    """The names of the folders with images in them, sorted."""
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and next(_names(p), None) is not None)


def pictures(folder: Path) -> list[Path]:
    """The image files of a folder, sorted."""
    return [folder / name for name in sorted(_names(folder))]


def _names(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for e in entries:
            if e.name.lower().endswith(SUFFIXES) and not e.name.startswith(".") and is_file(e):
                yield e.name
