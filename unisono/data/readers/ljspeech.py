"""ljspeech: metadata.csv with lines "ID|text|text as spoken", beside the folder wavs. LJSpeech, and who copies it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, listing, split_files
from unisono.data.readers.text import lines


class LJSpeech(Reader):
    """A source is the list, or its folder. Columns: ``audio``, ``utterance``, ``written`` (the second field) and
    ``text`` (the third, numbers and abbreviations spelled out; where there is none, the second).

    A line without its sound is a bad row.
    """

    name = "ljspeech"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        path = _list(source)
        settings.require(["audio", "utterance", "written", "text"], str(path))
        for number, line in lines(path, settings.encoding):
            if isinstance(line, Bad):
                yield Record(number, line)
                continue
            if not line.strip():
                continue
            fields = line.split("|")
            name = fields[0].strip()
            if len(fields) not in (2, 3) or not name or "\0" in name:
                yield Record(number, Bad(f"{len(fields)} fields apart by |, expected 2 or 3", line))
                continue
            sound = path.parent / "wavs" / f"{name}.wav"
            if not os.path.isfile(sound):  # of a name too long, it says no
                yield Record(number, Bad("no such sound in wavs", name))
                continue
            row: dict[Column, object] = {"audio": str(sound.absolute()), "utterance": name, "written": fields[1]}
            yield Record(number, {**row, "text": fields[-1] if fields[-1].strip() else fields[1]})

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return [_list(source)]

    def state(self, source: Path, settings: Settings) -> str:
        return listing([_list(source).parent / "wavs"], (".wav",))

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        lists = [p for p in root.iterdir() if p.suffix in (".csv", ".txt") and p.is_file()]
        return split_files(lists) or ({"train": [root]} if _list(root).is_file() else {})


def _list(source: Path) -> Path:
    return source / "metadata.csv" if source.is_dir() else source
