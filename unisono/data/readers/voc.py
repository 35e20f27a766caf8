"""voc: boxes as Pascal VOC has them: JPEGImages/, an XML file for each image in Annotations/, lists in ImageSets/Main/.

Everingham et al. 2010, "The Pascal Visual Object Classes Challenge", and its development kit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Reader, Record, Settings, listing
from unisono.data.readers.text import lines
from unisono.pictures import SUFFIXES

_LISTS = {"train": "train", "validation": "val", "test": "test"}
_MOST = 4 << 20  # bytes of an XML file
_DEEPEST, _ELEMENTS = 32, 100_000  # of its elements
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class Voc(Reader):
    """Columns: image (the file's name), boxes. A source is a list of names, or the folder Annotations where there is no
    list; the row number is that of the list's line. Boxes without an area are left out.
    """

    name = "voc"
    counts = "line"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(["image", "boxes"], str(source))
        root = root_of(source)
        for row, name in _names(source, settings):
            if isinstance(name, Bad):
                yield Record(row, name)
                continue
            path = root / "Annotations" / f"{name}.xml"
            yield Record(row, _row(path, root), f"{root.name}/Annotations/{path.name}")

    def files(self, source: Path, settings: Settings) -> list[Path]:
        if source.is_dir():
            return sorted(source.glob("*.xml"))
        folder = root_of(source) / "Annotations"
        named = (folder / f"{name}.xml" for _, name in _names(source, settings) if not isinstance(name, Bad))
        return [source, *(path for path in named if os.path.isfile(path))]

    def state(self, source: Path, settings: Settings) -> str:
        return listing([root_of(source) / "JPEGImages"], SUFFIXES)

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        lists = root / "ImageSets" / "Main"
        found = {split: lists / f"{name}.txt" for split, name in _LISTS.items()}
        out = {split: [path] for split, path in found.items() if path.is_file()}
        return out or ({"train": [root / "Annotations"]} if is_voc(root) else {})


def is_voc(root: Path) -> bool:
    """Whether a folder has this layout."""
    return (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir()


def root_of(source: Path) -> Path:
    """The folder that holds Annotations."""
    for folder in source.parents:
        if (folder / "Annotations").is_dir():
            return folder
    raise DataError(f"{source}: no folder Annotations beside it or above")


def _names(source: Path, settings: Settings) -> Iterator[tuple[int, str | Bad]]:
    if source.is_dir():
        for row, path in enumerate(sorted(source.glob("*.xml")), 1):
            yield row, path.stem
        return
    for row, line in lines(source, settings.encoding):
        if isinstance(line, Bad):
            yield row, line
        elif words := line.split():  # a list of one class has a second column
            unsafe = "/" in words[0] or "\\" in words[0] or "\0" in words[0] or words[0] == ".."
            yield row, Bad("not the name of an image", words[0]) if unsafe else words[0]


def _row(path: Path, root: Path) -> dict[str | int, Any] | Bad:
    if not os.path.isfile(path):
        return Bad("no annotation of this name", str(path))
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as e:
        return Bad(f"the annotation cannot be read: {e.strerror or e}", str(path))
    if len(content) > _MOST:
        return Bad(f"an annotation of more than {_MOST >> 20} MB", str(path))
    try:
        tree = _parsed(content)
        boxes = [_box(found) for found in tree.iter("object")]
    except ValueError as reason:
        return Bad(f"the annotation {reason}", str(path))
    said = (tree.findtext("filename") or "").strip()
    names = [Path(said).name] * bool(said) + [path.stem + ending for ending in SUFFIXES]
    images = root / "JPEGImages"
    found = (images / n for n in names if "\0" not in n)
    image = next((p for p in found if os.path.isfile(p)), images / f"{path.stem}.jpg")  # of a name too long, it says no
    return {"image": str(image), "boxes": [b for b in boxes if b is not None]}


def _parsed(content: bytes) -> Element:
    """Raises ValueError: no XML, more of it than an annotation has, or entities of its own, which could grow without
    bound.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > _DEEPEST or count > _ELEMENTS:
            raise ValueError("is nested too deep, or has too many elements")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, LookupError, AssertionError, UnicodeError):
        raise ValueError("is no XML, or cut short") from None


def _refuse(*_: Any) -> None:
    raise ValueError("has a document type, which is not read")


def _box(found: Element) -> dict[str, Any] | None:
    name, place = (found.findtext("name") or "").strip(), found.find("bndbox")
    if not name or place is None:
        raise ValueError("has an object without a name or a box")
    try:
        box = [float(place.findtext(side) or "") for side in _SIDES]
    except ValueError:
        raise ValueError("has a box whose sides are no numbers") from None
    return {"label": name, "box": box} if box[2] > box[0] and box[3] > box[1] else None
