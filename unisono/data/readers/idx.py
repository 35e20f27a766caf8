"""idx: the files of MNIST: images in one, their labels in another, each a short header and then bytes; gzipped or not.

LeCun, Cortes and Burges, "The MNIST database" (http://yann.lecun.com/exdb/mnist/), the last part of the page.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from unisono.data.errors import DataError
from unisono.data.readers.base import Reader, Record, Settings, plain_file, split_of
from unisono.pictures import MOST_PIXELS

_BYTES = 0x08  # the only type of value that images and labels have
_PREFIXES = {"t10k": "test"}  # of file names, beside the usual words


class Idx(Reader):
    """Columns: image (a PGM or PPM file's bytes), label (its number). A source is the file of images."""

    name = "idx"
    suffixes = (".idx3-ubyte", ".idx4-ubyte", ".idx")
    counts = "image"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(["image", "label"], str(source))
        labels = labels_of(source)
        if labels is None:
            raise DataError(f"{source}: no file of labels beside it (the same name, with labels for images)")
        with _opened(source) as images, _opened(labels) as classes:
            count, *shape = _header(images, source)
            known, *rest = _header(classes, labels)
            if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
                raise DataError(f"{source}: images of shape {shape}; read are height x width, or these x 3 colours")
            if rest or known != count:
                raise DataError(f"{source} has {count:,} images, {labels.name} has {known:,} labels")
            height, width = shape[:2]
            if not 0 < height * width <= MOST_PIXELS:
                raise DataError(f"{source}: images of {height} x {width} pixels cannot be")
            start = b"%s\n%d %d\n255\n" % (b"P6" if len(shape) == 3 else b"P5", width, height)
            size = height * width * (3 if len(shape) == 3 else 1)
            for number in range(1, count + 1):
                pixels, label = _exactly(images, size, source), _exactly(classes, 1, labels)
                yield Record(number, {"image": start + pixels, "label": label[0]})

    def files(self, source: Path, settings: Settings) -> list[Path]:
        labels = labels_of(source)
        return [source] if labels is None else [source, labels]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        """Files of images by their names, t10k being the test set; one alone is what there is to learn from."""
        found = [p for p in sorted(root.iterdir()) if is_idx(p) and labels_of(p) is not None]
        if len(found) == 1:
            return {"train": found}
        out: dict[str, list[Path]] = {}
        for path in found:
            split = next((s for word, s in _PREFIXES.items() if path.name.startswith(word)), split_of(path.name))
            if split:
                out.setdefault(split, []).append(path)
        return out


def is_idx(path: Path) -> bool:
    """Whether a file begins as a file of images of this format does."""
    if not path.is_file():
        return False
    try:
        with _opened(path) as file:
            start = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return start[:3] == bytes([0, 0, _BYTES]) and start[3:] in (b"\x03", b"\x04")


def labels_of(images: Path) -> Path | None:
    """``train-labels-idx1-ubyte.gz`` for ``train-images-idx3-ubyte.gz``, where there is such a file."""
    if "images" not in images.name:
        return None
    name = images.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    for other in (name, f"{name}.gz", name.removesuffix(".gz")):
        if (path := images.with_name(other)).is_file():
            return path
    return None


def _opened(path: Path) -> BinaryIO:
    try:
        with plain_file(path).open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        return cast(BinaryIO, gzip.open(path, "rb")) if zipped else path.open("rb")
    except OSError as e:
        raise DataError(f"{path} cannot be read: {e.strerror or e}") from e


def _header(file: BinaryIO, path: Path) -> list[int]:
    """The sizes of all dimensions."""
    start = _exactly(file, 4, path)
    if start[:3] != bytes([0, 0, _BYTES]) or not 1 <= start[3] <= 4:
        raise DataError(f"{path} is no idx file of bytes: it begins with {start.hex(' ')}")
    sizes = _exactly(file, 4 * start[3], path)
    return [int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4)]


def _exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    try:
        found = file.read(count)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DataError(f"{path}: the gzip file is damaged or cut short") from None
    if len(found) < count:
        raise DataError(f"{path} ends before its header says: copy it again")
    return found
