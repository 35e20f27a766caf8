"""sphinx: CMU Sphinx's lists, "<s> WORDS </s> (UTTERANCE)" in etc/*.transcription, sounds below wav/. AN4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, listing, split_files
from unisono.data.readers.recordings import SOUNDS
from unisono.data.readers.text import lines

_LINE = re.compile(r"(.*)\(([^()\s]+)\)\s*")
_MARK = re.compile(r"</?s>|<sil>|\+\+[A-Z_]+\+\+")  # beginning, end, silence, noises
_ENDING = ".transcription"


class Sphinx(Reader):
    """A source is a list of transcripts. Columns: ``audio``, ``utterance``, ``text``, ``speaker`` (the sound's folder).

    A sound is found by its utterance's name, wherever it lies below the folder wav beside etc.
    """

    name = "sphinx"
    suffixes = (_ENDING,)

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(["audio", "utterance", "text", "speaker"], str(source))
        folder = _folder(source)
        if not folder.is_dir():
            raise DataError(f"{source}: no folder wav beside {source.parent.name}: {folder}")
        sounds = {p.stem: p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SOUNDS and p.is_file()}
        for number, line in lines(source, settings.encoding):
            if isinstance(line, Bad):
                yield Record(number, line)
                continue
            if not line.strip():
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                yield Record(number, Bad("no utterance in brackets at the end of the line", line))
                continue
            name = match[2].rpartition("/")[2]
            if name not in sounds:
                yield Record(number, Bad("no such sound below wav", name))
                continue
            row: dict[Column, object] = {"audio": str(sounds[name].absolute()), "utterance": name}
            text = " ".join(_MARK.sub(" ", match[1]).split())
            yield Record(number, {**row, "text": text, "speaker": sounds[name].parent.name})

    def state(self, source: Path, settings: Settings) -> str:
        folder = _folder(source)
        return listing([folder, *sorted(p for p in folder.rglob("*") if p.is_dir())], SOUNDS)

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        folder = root / "etc" if (root / "etc").is_dir() else root
        return split_files(p for p in folder.iterdir() if p.name.endswith(_ENDING) and p.is_file())


def _folder(source: Path) -> Path:
    return source.parent.parent / "wav"
