"""Where pictures go: one PNG file, or a folder of them. Each is whole or absent."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unisono import files


class DrawError(Exception):
    """A picture that cannot be put where it should be; one line, with what would do."""


class Target:
    """Gives each picture its file.

    Args:
        path: ``out.png`` for the picture of one image, or a folder, which is made when the first picture comes.
        sources: the images that are drawn on, so that none of them is written over.
    """

    def __init__(self, path: Path, sources: Iterable[str]) -> None:
        self._sources = {Path(source).resolve() for source in sources}
        suffix = path.suffix.lower()
        self._file = path if suffix and not path.is_dir() else None
        self._folder = path.parent if self._file else path
        self._used: set[str] = set()
        if self._file and suffix != ".png":
            raise DrawError(f"{path}: pictures are PNG files: name one .png, or a folder")
        if self._file and len(self._sources) > 1:
            raise DrawError(f"{path}: one file for {len(self._sources)} images; name a folder")

    def path(self, source: str, task: str = "") -> Path:
        """The file for a picture of an image.

        Args:
            task: its name, where several draw on the same image.
        """
        stem = self._file.stem if self._file else Path(source).stem or "image"
        wanted = f"{stem}.{task}" if task else stem
        name, n = wanted, 1
        while name in self._used:  # images of one name from several folders
            n += 1
            name = f"{wanted}-{n}"
        self._used.add(name)
        path = self._folder / f"{name}.png"
        if path.resolve() in self._sources:
            raise DrawError(f"{path} is the image itself; draw into another folder")
        return path

    def write(self, picture: Any, path: Path) -> None:
        """Writes a Pillow image."""
        content = io.BytesIO()
        picture.save(content, "PNG", optimize=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(path, content.getvalue())
