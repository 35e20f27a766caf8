"""masks: a folder of images, beside it one of masks: train/ and trainannot/ (CamVid), or image/ and label/ (ISBI)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unisono.data.readers.base import Reader, Record, Settings, split_of
from unisono.data.readers.images import pictures

_IMAGES = ("image", "images", "img", "imgs")
_MASKS = ("label", "labels", "mask", "masks", "annot", "annotations")
_ENDINGS = ("annot", "_annot", "_labels", "_masks", "_mask", "_label")  # of a folder beside the images'
_MARKS = ("", "_mask", "_label", "_labels", "_L")  # what a mask's name may have after the image's


class Masks(Reader):
    """Columns: image, mask (file names). A source is the folder of images; an image without a mask has no label."""

    name = "masks"
    counts = "file"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(["image", "mask"], str(source))
        folder = masks_of(source)
        known = {path.stem: path for path in pictures(folder)} if folder else {}
        for path in pictures(source):
            mask = next((known[path.stem + mark] for mark in _MARKS if path.stem + mark in known), None)
            yield Record(1, {"image": str(path), "mask": str(mask) if mask else None}, f"{source.name}/{path.name}")

    def files(self, source: Path, settings: Settings) -> list[Path]:
        folder = masks_of(source)
        return pictures(source) + (pictures(folder) if folder else [])

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        found = mask_folders(root)
        out: dict[str, list[Path]] = {}
        for folder in found:
            split = split_of(folder.name) or split_of(folder.parent.name if folder.parent != root else "")
            if split:
                out.setdefault(split, []).append(folder)
        return out or ({"train": found} if len(found) == 1 else {})


def mask_folders(root: Path) -> list[Path]:
    """The folders of images that have a folder of masks beside them, in ``root`` or one level further down."""
    if not root.is_dir():
        return []
    inner = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    places = [*inner, *(p for folder in inner for p in sorted(folder.iterdir()) if p.is_dir())]
    return [p for p in places if masks_of(p) is not None and pictures(p)]


def masks_of(images: Path) -> Path | None:
    """The folder of masks that belongs to a folder of images, if there is one."""
    if not images.is_dir():
        return None
    names = [images.name + ending for ending in _ENDINGS]
    if images.name.lower() in _IMAGES:
        names += _MASKS
    found = (images.with_name(name) for name in names)
    return next((p for p in found if p.is_dir() and pictures(p)), None)
