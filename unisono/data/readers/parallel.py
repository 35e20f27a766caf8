"""parallel: line-aligned text files, one for each language: train.en.gz, train.de.gz, …"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from unisono.data.errors import DataError, nearest
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, split_files
from unisono.data.readers.text import lines


class Parallel(Reader):
    """Columns are language suffixes. A source is the common stem of its files: ``folder/train``."""

    name = "parallel"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        found = {c: file_of(source, str(c)) for c in settings.wanted}
        for language, must in settings.wanted.items():
            if must and found[language] is None:
                raise DataError(_no_such(source, language))
        paths = {c: p for c, p in found.items() if p is not None}
        streams = [lines(p, settings.encoding) for p in paths.values()]
        for together in zip_longest(*streams):
            if None in together:
                counts = {p.name: sum(1 for _ in lines(p, settings.encoding)) for p in paths.values()}
                said = ", ".join(f"{name} has {n} lines" for name, n in counts.items())
                raise DataError(f"{source.parent}: the files are not aligned line by line: {said}")
            bad = next((line for _, line in together if isinstance(line, Bad)), None)
            values: dict[Column, object] = {c: line for c, (_, line) in zip(paths, together, strict=True)}
            yield Record(together[0][0], bad if bad is not None else values)

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return [p for p in (file_of(source, str(c)) for c in settings.wanted) if p is not None]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        must = [str(c) for c, must in settings.wanted.items() if must] or [str(c) for c in settings.wanted]
        if not must:
            return {}
        stems = {stem for p in root.iterdir() if p.is_file() and (stem := stem_of(p, must[0])) is not None}
        whole = [s for s in stems if all(file_of(s, language) for language in must)]
        if not whole and (there := languages(root)):
            known = sorted(set().union(*there.values()))
            absent = next((m for m in must if m not in known), must[0])
            raise DataError(
                f'{root} has no files for the language "{absent}"{nearest(absent, known)} (it has: {", ".join(known)})'
            )
        return split_files(whole)

    def pick(self, root: Path, pattern: str) -> list[Path]:
        """``train``, ``train.*`` and ``train.en.gz`` all stand for the stem ``train``."""
        if root.is_file() and pattern == "":
            return [_strip(root)]
        if not any(c in pattern for c in "*?["):
            return [_strip(root / pattern)]
        return sorted({_strip(p) for p in root.glob(pattern)})


def file_of(stem: Path, language: str) -> Path | None:
    """The file of one language, if there is one."""
    for name in (f"{stem.name}.{language}", f"{stem.name}.{language}.txt"):
        for path in (stem.with_name(name), stem.with_name(f"{name}.gz")):
            if os.path.isfile(path):  # of a name too long, it says no
                return path
    return None


def stem_of(path: Path, language: str) -> Path | None:
    """``folder/train`` for ``folder/train.en.gz`` and "en"; None for a file of another language."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    return path.with_name(name.removesuffix(f".{language}")) if name.endswith(f".{language}") else None


def languages(folder: Path) -> dict[str, set[str]]:
    """Stem -> the suffixes of the files that share it, where there are two or more."""
    out: dict[str, set[str]] = {}
    for p in folder.iterdir():
        name = p.name.removesuffix(".gz").removesuffix(".txt")
        stem, dot, language = name.rpartition(".")
        if (
            p.is_file()
            and dot
            and stem
            and 2 <= len(language) <= 8
            and language.replace("-", "").replace("_", "").isalpha()
        ):
            out.setdefault(stem, set()).add(language)
    return {stem: found for stem, found in out.items() if len(found) > 1}


def _strip(path: Path) -> Path:
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    if os.path.isfile(path) and "." in name:
        name = name.rpartition(".")[0]
    return path.with_name(name)


def _no_such(source: Path, language: Column) -> str:
    there = sorted({p.name for p in source.parent.glob(f"{source.name}.*")}) if source.parent.is_dir() else []
    known = [n.removesuffix(".gz").removesuffix(".txt").rpartition(".")[2] for n in there]
    listed = ", ".join(there) or "none"
    return f'{source} has no file for the language "{language}"{nearest(language, known)} (there are: {listed})'
