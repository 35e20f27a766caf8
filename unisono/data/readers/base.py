"""What every reader of a format is: it finds the splits of a folder and streams records out of one source."""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from unisono.data.errors import DataError, nearest

Column = str | int


class Bad(NamedTuple):
    """A row that cannot be used."""

    reason: str  # the same words for the same fault: bad rows are counted by reason
    text: str = ""  # what stood there


class Record(NamedTuple):
    """One row as read.

    Args:
        row: its number in the file, from 1: the line, or the row of a table.
        value: column -> raw value, or why there is none.
        file: the file it came from, where that is not the source itself.
    """

    row: int
    value: dict[Column, Any] | Bad
    file: str | None = None


@dataclass(frozen=True)
class Settings:
    """What a reader is told.

    Args:
        wanted: the columns to read -> whether the source must have them.
    """

    wanted: Mapping[Column, bool]
    header: bool | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    config: str | None = None
    pattern: str | None = None
    revision: str | None = None
    seed: int = 0

    def require(self, available: Iterable[Column], where: str) -> None:
        """Raises DataError when a column that must be there is not among ``available``."""
        known = list(available)
        for column, must in self.wanted.items():
            if must and column not in known and not (isinstance(column, str) and column.split(".")[0] in known):
                raise DataError(
                    f'{where} has no column "{column}"{nearest(column, known)} (it has: {_listed(known)}); '
                    "say which one under columns:"
                )


class Reader(ABC):
    """One format family."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()  # of the files it reads, without .gz
    counts: ClassVar[str] = "line"  # what the row number counts
    heeds: ClassVar[tuple[str, ...]] = ()  # of header, delimiter, config, revision and pattern; others are refused

    @abstractmethod
    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        """Streams the records of one source.

        Raises:
            DataError: the source as a whole cannot be read. A single bad row is yielded as ``Bad`` instead.
        """

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        """The first rows with all their columns, for guessing what is what; empty where the format itself says it."""
        return []

    def files(self, source: Path, settings: Settings) -> list[Path]:
        """The files that make up a source; the cache watches them."""
        return [source]

    def state(self, source: Path, settings: Settings) -> str:
        """Whatever decides the rows besides the files and the settings; the cache watches it too."""
        return ""

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        """The sources of each split found in a folder."""
        files = [p for p in root.iterdir() if p.is_file() and not p.name.startswith(".")]
        own = split_files(p for p in files if suffix(p) in self.suffixes)
        return own or split_files(files)  # names like train.txt or stsa.train tell nothing of the format

    def pick(self, root: Path, pattern: str) -> list[Path]:
        """The sources that a user's file name or glob, relative to ``root``, stands for."""
        return sorted(root.glob(pattern)) if any(c in pattern for c in "*?[") else [root / pattern]


def suffix(path: Path) -> str:
    """The suffix in lower case, without a last .gz."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


_WORDS = {"train": "train(?:ing)?", "validation": "valid(?:ation)?|val|dev(?:elopment)?", "test": "test(?:ing)?"}
_FIRST = {split: re.compile(rf"(?:{words})(?![a-z])", re.I) for split, words in _WORDS.items()}
_INSIDE = {split: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.I) for split, words in _WORDS.items()}


def split_of(name: str) -> str | None:
    """The split that a file or folder name speaks of, if any."""
    for patterns in (_FIRST, _INSIDE):
        for split, pattern in patterns.items():
            if pattern.match(name) if patterns is _FIRST else pattern.search(name):
                return split
    return None


def split_files(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Sorts files into splits by their names: train*, valid*/val*/dev*, test*, or else a name with such a word in it.

    Several files make one split when only digits tell them apart (shards).

    Raises:
        DataError: two files claim the same split.
    """
    paths = sorted(paths)
    out: dict[str, list[Path]] = {}
    for split in _WORDS:
        found = [p for p in paths if _FIRST[split].match(p.name)]
        found = found or [p for p in paths if _INSIDE[split].search(p.name) and split_of(p.name) == split]
        if len({re.sub(r"\d+", "#", p.name) for p in found}) > 1:
            names = ", ".join(p.name for p in found[:6])
            raise DataError(
                f"{found[0].parent} has several files for {split}: {names}; "
                f"say which one, e.g. splits: {{{split}: {found[0].name}}}"
            )
        if found:
            out[split] = found
    return out


def split_folders(root: Path, holds: Callable[[Path], object]) -> dict[str, list[Path]]:
    """The folders in ``root`` whose names speak of a split and that hold rows; or else ``root``, for training."""
    out: dict[str, list[Path]] = {}
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        split = split_of(folder.name)
        if split and holds(folder):
            out.setdefault(split, []).append(folder)
    if not out and holds(root):
        out["train"] = [root]
    return out


def plain_file(path: Path) -> Path:
    """The path, if opening it does not wait for another process and reading it ends.

    Raises:
        DataError: a pipe or a device.
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise DataError(f"{path} is no file but a pipe or a device; copy what comes out of it into a file")
    return path


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is a file, or a link to one."""
    try:
        return entry.is_file()
    except OSError:  # links in a circle
        return False


def listing(folders: Iterable[Path], suffixes: tuple[str, ...]) -> str:
    """A short text that changes when a file of such a suffix comes into one of these folders, or leaves it."""
    digest = hashlib.sha256()
    for folder in folders:
        digest.update(f"\0{folder}\0".encode("utf-8", "surrogateescape"))
        with suppress(OSError), os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.lower().endswith(suffixes))
            digest.update("\0".join(names).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def dig(row: Mapping[Any, Any], column: Column) -> Any:
    """``row[column]``, or for "a.b" the nested ``row["a"]["b"]``; None when absent."""
    if column in row:
        return row[column]
    if isinstance(column, str) and "." in column:
        value: Any = row
        for part in column.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value
    return None


def _listed(names: list[Column], most: int = 20) -> str:
    shown = ", ".join(str(n) for n in names[:most])
    return f"{shown}, … ({len(names)})" if len(names) > most else shown or "none"
