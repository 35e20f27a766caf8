"""recordings: a folder of sounds whose names, or whose folders, say what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, split_folders

SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".raw", ".pcm")
_HOLE = re.compile(r"\{([A-Za-z_]\w*)\}")


class Recordings(Reader):
    """A source is one sound, or a folder of sounds and of folders of sounds.

    Columns: ``audio``, the file; ``label``, the name of its folder when that lies inside the source; and with
    ``data.pattern`` what the name says: ``"{digit}_{speaker}_{take}"`` reads ``7_jackson_0.wav``.
    """

    name = "recordings"
    heeds = ("pattern",)
    counts = "file"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        pattern = None if settings.pattern is None else compiled(settings.pattern)
        sounds = self.files(source, settings)
        grouped = any(path.parent != source for path in sounds) and source.is_dir()
        columns: list[Column] = ["audio", *(["label"] if grouped else ()), *(pattern.groupindex if pattern else ())]
        if sounds:
            settings.require(columns, f"{source}, sounds and what their names say,")
        for path in sounds:
            file = str(path.relative_to(source.parent))
            row: dict[Column, Any] = {"audio": str(path.absolute())}
            if grouped:
                row["label"] = None if path.parent == source else path.parent.name
            if pattern:
                match = pattern.fullmatch(path.stem)
                if match is None:
                    yield Record(1, Bad(f'a name that is not like "{settings.pattern}"', path.name), file)
                    continue
                row.update(match.groupdict())
            yield Record(1, row, file)

    def files(self, source: Path, settings: Settings) -> list[Path]:
        if not source.is_dir():
            return [source]
        inner = sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith("."))
        return [path for folder in (source, *inner) for path in sounds_in(folder)]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        return split_folders(root, lambda folder: self.files(folder, settings))


def sounds_in(folder: Path) -> list[Path]:
    """The sounds of a folder itself, sorted by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SOUNDS and p.is_file())


def compiled(pattern: str) -> re.Pattern[str]:
    """``"{a}_{b}"`` as a regular expression. What a hole takes ends before the sign that follows the hole.

    Raises:
        DataError: no hole, two without a sign between them, or one name twice.
    """
    parts = _HOLE.split(pattern)  # text, name, text, name, …, text
    names, between = parts[1::2], parts[2:-1:2]
    if not names or not all(between) or len(set(names)) < len(names) or {"audio", "label"} & set(names):
        raise DataError(
            f'pattern: "{pattern}" must name what file names say, each once, apart by some sign, none "audio" or '
            '"label", such as "{digit}_{speaker}_{take}"'
        )
    ends = [f"[^{re.escape(text[0])}]+" if text else ".+" for text in parts[2::2]]
    holes = [f"(?P<{name}>{what}){re.escape(text)}" for name, what, text in zip(names, ends, parts[2::2], strict=True)]
    return re.compile(re.escape(parts[0]) + "".join(holes), re.DOTALL)
