"""captions: images and what is said of them, as COCO has them: one JSON file with the keys images and annotations.

Chen et al. 2015 (https://arxiv.org/abs/1504.00325); https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, listing, split_files
from unisono.data.readers.coco import image_beside, image_folders
from unisono.data.readers.json_stream import JsonStream
from unisono.data.readers.text import open_bytes
from unisono.pictures import SUFFIXES

PREFIX = "captions_"  # of COCO's file names


class Captions(Reader):
    """Columns: image (the file's name), and either captions (a row for each image, with all that is said of it) or
    caption (a row for each of them).

    The row number counts the file's images. An image of which nothing is said has no label.
    """

    name = "captions"
    counts = "image"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(["image", "captions", "caption"], str(source))
        images: list[tuple[Any, Any]] = []
        said: dict[Any, list[Any]] = {}
        with open_bytes(source) as file:
            stream = JsonStream(file, source, settings.encoding)
            for key, one in stream.listed("images", "annotations"):
                if key == "images":
                    images.append((one.get("id"), one.get("file_name")))
                elif isinstance(one.get("image_id"), (int, str)):
                    said.setdefault(one["image_id"], []).append(one.get("caption"))
                else:
                    raise stream.fault("an annotation without an image_id")
        for row, (number, name) in enumerate(images, 1):
            if not isinstance(name, str) or not name or not isinstance(number, (int, str)):
                yield Record(row, Bad("an image without an id or a file_name"))
                continue
            image, captions = str(image_beside(source, name)), said.get(number, [])
            if "caption" in settings.wanted:
                for caption in captions or [None]:
                    yield Record(row, {"image": image, "caption": caption})
            else:
                known: dict[Column, Any] = {"image": image, "captions": captions or None}
                yield Record(row, known)

    def state(self, source: Path, settings: Settings) -> str:
        return listing(image_folders(source), SUFFIXES)

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        return split_files(caption_files(root))


def caption_files(root: Path) -> list[Path]:
    """Such files of a folder, there or under annotations/."""
    places = (root / "annotations", root)
    return next((found for p in places if p.is_dir() and (found := sorted(p.glob(f"{PREFIX}*.json")))), [])
