"""media: folders and files of images or sounds, and what of them could be learned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from unisono.data.errors import DataError
from unisono.data.readers import Settings, reader
from unisono.data.readers.base import split_of
from unisono.data.readers.images import image_folders
from unisono.data.readers.recordings import SOUNDS, sounds_in
from unisono.data.sniff.guess import Guess
from unisono.pictures import BadPicture, pixels

PICTURES = {  # format -> kind, role of the label, what was seen
    "images": ("classify", "label", "a folder of images for each class"),
    "idx": ("classify", "label", "images and their labels, as MNIST has them"),
    "voc": ("detect", "boxes", "images and boxes, as Pascal VOC has them"),
    "coco": ("detect", "boxes", "images and boxes, as COCO has them"),
    "masks": ("segment", "mask", "a folder of images and beside it one of masks"),
}
SPEECH = {
    "recordings": "sounds",
    "kaldi": "Kaldi's lists of sounds and texts",
    "ljspeech": "sounds and texts, as LJSpeech has them",
    "sphinx": "sounds and texts, as CMU Sphinx has them",
}
_SMALL = 64  # pixels; a whole image of such a side becomes 8 x 8 patches of 8
_SEPARATORS = "_-. "


def pictures(said: str, name: str, source: Path | None) -> Guess:
    """Args:
    name: of the format. ``source``: where its first images are, if that is known.
    """
    kind, role, why = PICTURES[name]
    if name == "images" and source is not None and len(image_folders(source)) < 2:
        only = "".join(image_folders(source))
        return Guess(said, name, None, why=f'images in one folder, "{only}", where each class would have its own')
    side = None if source is None else _side(name, source)
    seen = why if side is None else f"{why}; the longer side of the first is {side} pixels"
    stem = _image_stem(kind, side)
    pool = {"pool": "mean"} if kind == "classify" else {}
    return Guess(said, name, kind, {"image": "image", role: role}, {}, seen, pool, {"image": stem})


def sounds(said: str, name: str, root: Path) -> Guess:
    """Args: ``name``: of the format."""
    if name != "recordings":
        return Guess(said, name, "transcribe", {}, {}, SPEECH[name], stems={"audio": {}})
    columns: dict[str, Any] = {"audio": "audio", "label": "label"}
    if len(_labelled(root)) > 1:
        return _classified(said, columns, {}, "a folder of sounds for each class")
    for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
        if found := _told(sounds_in(folder)):
            pattern, label = found
            # The folder itself is named: a class of its own it is not.
            data = {"path": str(folder), "format": name, "pattern": pattern}
            why = f'names of {pattern.count("{")} parts; "{label}" has few values: call the parts as they are'
            return _classified(said, columns | {"label": label}, data, why)
    return Guess(said, name, None, why="sounds; say under data: pattern: what their names tell")


def _classified(said: str, columns: dict[str, Any], data: dict[str, Any], why: str) -> Guess:
    return Guess(said, "recordings", "classify", columns, data, why, {"pool": "mean"}, {"audio": {}})


def _side(name: str, source: Path) -> int | None:
    """The longer side of the first images, None where none can be read."""
    found: list[int] = []
    try:
        for record in islice(reader(name).read(source, Settings({})), 9):
            if isinstance(record.value, dict):
                found.append(max(pixels(record.value["image"])[1]))
    except (BadPicture, DataError, ImportError):  # the recipe's own check says what is wrong with them
        return None
    return round(median(found)) if found else None


def _image_stem(kind: str, side: int | None) -> dict[str, Any]:
    """Options that the recipes of their like begin with: convolutions down to patches, and fewer than 500 of these."""
    if kind != "classify":
        return {"patch": 8, "longest": 176, "convolutions": 3, "channels": 32}
    if side is not None and side <= _SMALL:
        return {"patch": 8, "longest": _SMALL, "convolutions": 3, "channels": 48}
    return {"patch": 16, "longest": 224, "convolutions": 4, "channels": 16}


def _labelled(root: Path) -> list[Path]:
    """The folders of sounds whose names are no split's."""
    folders = [p for p in root.iterdir() if p.is_dir()]
    inner = [q for p in folders if split_of(p.name) for q in p.iterdir() if q.is_dir()]
    return [p for p in (*(f for f in folders if not split_of(f.name)), *inner) if sounds_in(p)]


def _told(files: Sequence[Path]) -> tuple[str, str] | None:
    """A pattern of which all names are, and the part of them that few values are there of."""
    names = [path.stem for path in files if path.suffix.lower() in SOUNDS]
    for sign in _SEPARATORS:
        split = [name.split(sign) for name in names]
        count = len(split[0]) if split else 0
        if count < 2 or any(len(parts) != count or "" in parts for parts in split):
            continue
        holes = [f"part{at}" for at in range(1, count + 1)]
        values = [len({parts[at] for parts in split}) for at in range(count)]
        few = [at for at in range(count) if 1 < values[at] <= len(names) / 4]
        if few:
            return sign.join(f"{{{hole}}}" for hole in holes), holes[few[0]]
    return None
