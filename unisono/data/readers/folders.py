"""folders: one folder for each class, one text file for each row: train/pos/0_9.txt (aclImdb) or ROOT/pos/0.txt."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, is_file, split_folders

_RATED = re.compile(r"\d+_(\d+)\.")
_IGNORED = {"unsup"}  # aclImdb: reviews without a label
_MOST = 1 << 24  # bytes of a text
_SUFFIXES = (".txt", ".txt.gz", ".text")


class Folders(Reader):
    """Columns: text, label (the folder's name), and rating where files are called ID_RATING.txt."""

    name = "folders"
    counts = "file"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        rated = False
        number = 0
        for label in class_folders(source):
            for path in _texts(source / label):
                number += 1
                name = f"{source.name}/{label}/{path.name}"
                text = _text(path, settings.encoding)
                if isinstance(text, Bad):
                    yield Record(1, text, name)
                    continue
                row: dict[Column, object] = {"text": text, "label": label}
                if match := _RATED.match(path.name):
                    row["rating"], rated = int(match[1]), True
                yield Record(1, row, name)
        if number:
            settings.require(["text", "label", *["rating"] * rated], str(source))

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return [path for label in class_folders(source) for path in _texts(source / label)]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        return split_folders(root, class_folders)


def class_folders(folder: Path) -> list[str]:
    """The names of the class folders, sorted."""
    if not folder.is_dir():
        return []
    return sorted(
        p.name for p in folder.iterdir() if p.is_dir() and p.name not in _IGNORED and next(_some(p), None) is not None
    )


def _some(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for e in entries:
            if e.name.endswith(_SUFFIXES) and is_file(e):
                yield e.name


def _texts(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(_some(folder))]


def _text(path: Path, encoding: str) -> str | Bad:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST + 1)
        if raw[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                raw = packed.read(_MOST + 1)
        if len(raw) > _MOST:
            return Bad(f"a text of more than {_MOST >> 20} MiB", raw[:200].decode("utf-8", errors="replace"))
        return raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeError:
        return Bad(f"not valid {encoding}", raw[:200].decode("utf-8", errors="replace"))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return Bad("the gzip file is damaged or cut short")
    except OSError as e:
        raise DataError(f"{path} cannot be read: {e.strerror or e}") from e
