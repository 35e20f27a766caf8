"""targets: where pictures and sounds of answers go: one file, or a folder of them. Each is whole or absent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from unisono import files


class TargetError(Exception):
    """A file that cannot be put where it should be; one line, with what would do."""


class Target:
    """Gives each answer its file.

    Args:
        path: a file's name, for the answer to one input; or a folder, which is made when the first file comes.
        suffix: what the files are: ``.png`` or ``.wav``.
        inputs: how many there are.
        sources: files that were given, so that none of them is written over.
    """

    def __init__(self, path: Path, suffix: str, *, inputs: int, sources: Iterable[str] = ()) -> None:
        self._suffix = suffix
        self._sources = {Path(source).resolve() for source in sources}
        named = bool(path.suffix) and not path.is_dir()
        self._file = path if named else None
        self._folder = path.parent if named else path
        self._used: set[str] = set()
        if named and path.suffix.lower() != suffix:
            raise TargetError(f"{path}: what is written are {suffix} files: name one of these, or a folder")
        if named and inputs > 1:
            raise TargetError(f"{path}: one file for {inputs} inputs; name a folder")

    def path(self, source: str, task: str = "") -> Path:
        """The file for an answer to an input.

        Args:
            source: the name of the input's file, or its text.
            task: its name, where several write about the same input.
        """
        stem = self._file.stem if self._file else _stem(source)
        wanted = f"{stem}.{task}" if task else stem
        name, n = wanted, 1
        while name in self._used:  # files of one name from several folders
            n += 1
            name = f"{wanted}-{n}"
        self._used.add(name)
        path = self._folder / f"{name}{self._suffix}"
        if path.resolve() in self._sources:
            raise TargetError(f"{path} is the input itself; name another folder")
        return path

    def write(self, content: bytes, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(path, content)


def _stem(source: str) -> str:
    """A file's name without its folder and suffix; of a text, its first letters and digits."""
    name = Path(source).stem if re.search(r"\.\w{1,5}$", source) else source
    return re.sub(r"[^\w.-]+", "-", name)[:40].strip("-. ") or "answer"
