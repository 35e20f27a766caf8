"""kaldi: a folder with wav.scp (which file each utterance is in), text (what is said) and utt2spk (who says it)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings, split_of
from unisono.data.readers.text import lines

_SCP = "wav.scp"


class Kaldi(Reader):
    """A source is a folder. Columns: ``audio``, ``utterance``, and with their files ``text`` and ``speaker``.

    Lines are "UTTERANCE PATH" in wav.scp, relative to the folder or whole, "UTTERANCE WORDS" in text, "UTTERANCE
    SPEAKER" in utt2spk. A line of wav.scp that is a command (it ends in |) is a bad row: nothing is ever run.
    """

    name = "kaldi"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        if not (source / _SCP).is_file():
            raise DataError(f"{source} has no {_SCP}")
        if (source / "segments").exists():
            raise DataError(
                f"{source} has segments, pieces of longer recordings, which are not read; cut them out first"
            )
        beside = {c: _table(source / f, settings) for c, f in _BESIDE.items() if (source / f).is_file()}
        settings.require(["audio", "utterance", *beside], str(source))
        for number, line in lines(source / _SCP, settings.encoding):
            if isinstance(line, Bad):
                yield Record(number, line, _SCP)
                continue
            if not line.strip():
                continue
            name, _, file = line.strip().partition(" ")
            file = file.strip()
            if not file:
                yield Record(number, Bad("an utterance without a file", line), _SCP)
            elif file.endswith("|"):
                yield Record(number, Bad("a command in place of a file; nothing is run", line), _SCP)
            else:
                row: dict[Column, object] = {"audio": str((source / file).absolute()), "utterance": name}
                row.update({column: known.get(name) for column, known in beside.items()})
                yield Record(number, row, _SCP)

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return [source / f for f in (_SCP, *_BESIDE.values()) if f == _SCP or (source / f).is_file()]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        out: dict[str, list[Path]] = {}
        for folder in sorted(p for p in root.iterdir() if (p / _SCP).is_file()):
            if split := split_of(folder.name):
                out.setdefault(split, []).append(folder)
        if not out and (root / _SCP).is_file():
            out["train"] = [root]
        return out


_BESIDE = {"text": "text", "speaker": "utt2spk"}  # column -> file


def _table(path: Path, settings: Settings) -> dict[str, str]:
    """First word -> the rest of the line. A line that cannot be read leaves its utterance without."""
    out = {}
    for _, line in lines(path, settings.encoding):
        if isinstance(line, str) and line.strip():
            name, _, rest = line.strip().partition(" ")
            out[name] = rest.strip()
    return out
