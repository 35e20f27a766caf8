"""coco: boxes as COCO has them: one JSON file with the keys images, annotations and categories.

Lin et al. 2014 (https://arxiv.org/abs/1405.0312); https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Reader, Record, Settings, listing, split_files
from unisono.data.readers.json_stream import JsonStream
from unisono.data.readers.text import open_bytes
from unisono.pictures import SUFFIXES

_FOUND = re.compile(r'"(?:images|annotations|categories)"\s*:\s*\[')


class Coco(Reader):
    """Columns: image (the file's name), boxes. The row number counts the file's images.

    An image that no annotation names has no objects. Crowds and boxes without an area are left out.
    """

    name = "coco"
    counts = "image"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(["image", "boxes"], str(source))
        images: list[tuple[Any, Any]] = []
        categories: dict[Any, str] = {}
        boxes: dict[Any, array[float]] = {}  # image -> category and four sides of each box
        with open_bytes(source) as file:
            stream = JsonStream(file, source, settings.encoding)
            for key, one in stream.listed("images", "annotations", "categories"):
                if key == "images":
                    images.append((one.get("id"), one.get("file_name")))
                elif key == "categories":
                    categories[_number(one.get("id"), stream)] = str(one.get("name"))
                elif not one.get("iscrowd"):
                    sides = _sides(one.get("bbox"))
                    if sides is None:
                        raise stream.fault("an annotation whose bbox is not four numbers")
                    category = _number(one.get("category_id"), stream)
                    if sides[2] > sides[0] and sides[3] > sides[1]:
                        place = _number(one.get("image_id"), stream)
                        boxes.setdefault(place, array("d")).extend([category, *sides])
        for row, (number, name) in enumerate(images, 1):
            if not isinstance(name, str) or not name or not isinstance(number, (int, str)):
                yield Record(row, Bad("an image without an id or a file_name"))
                continue
            flat = boxes.get(number, array("d"))
            found = [flat[i : i + 5] for i in range(0, len(flat), 5)]
            unnamed = next((b for b in found if b[0] not in categories), None)
            if unnamed is not None:
                yield Record(row, Bad("a box of a category that the file does not name", str(unnamed[0])))
                continue
            said = [{"label": categories[b[0]], "box": list(b[1:])} for b in found]
            yield Record(row, {"image": str(image_beside(source, name)), "boxes": said})

    def state(self, source: Path, settings: Settings) -> str:
        return listing(image_folders(source), SUFFIXES)

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        return split_files(_files(root))


def is_coco(path: Path) -> bool:
    """Whether a JSON file looks like one with boxes, from its first 64 KB or its name."""
    try:
        with open_bytes(path) as file:
            start = file.read(1 << 16).decode("utf-8", errors="replace")
    except DataError:
        return False
    return start.lstrip("\ufeff \t\r\n").startswith("{") and bool(_FOUND.search(start))


def coco_folder(root: Path) -> bool:
    """Whether a folder holds such files, itself or under annotations/."""
    return bool(_files(root))


def _files(root: Path) -> list[Path]:
    for folder in (root / "annotations", root):
        found = sorted(folder.glob("*.json")) if folder.is_dir() else []
        named = [p for p in found if p.name.startswith("instances")] or found
        if good := [p for p in named if is_coco(p)]:
            return good
    return []


def image_folders(source: Path) -> list[Path]:
    """Where images may be: beside the file, or in a folder there or above that is named as the split in its name."""
    word = re.sub("^(instances|captions)_", "", source.stem)
    places = (source.parent, source.parent.parent)
    return [folder / sub for folder in places for sub in (word, "images", f"images/{word}", ".")]


def image_beside(source: Path, name: str) -> Path:
    """The file of an image that ``source`` names."""
    if "\0" in name:
        raise DataError(f"{source}: {name!r} cannot be the name of an image")
    found = (folder / name for folder in image_folders(source))
    return next(
        (path for path in found if os.path.isfile(path)), source.parent / name
    )  # of a name too long, it says no


def _sides(box: Any) -> tuple[float, float, float, float] | None:
    """COCO's left, top, width and height -> left, top, right, bottom."""
    if not isinstance(box, list) or len(box) != 4:
        return None
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not abs(v) < 1e9 for v in box):
        return None
    left, top, width, height = (float(v) for v in box)
    return left, top, left + width, top + height


def _number(value: Any, stream: JsonStream) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 53:
        raise stream.fault("an id that is not a whole number")
    return value
