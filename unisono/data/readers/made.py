"""builtin: rows that a generator of this package makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unisono.data.builtin import builtin, source_hash
from unisono.data.readers.base import Reader, Record, Settings
from unisono.data.readers.jsonl import pick


class Made(Reader):
    """A source is ``NAME/SPLIT``."""

    name = "builtin"
    counts = "row"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        columns = tuple(settings.wanted)
        for number, row in enumerate(builtin(source.parent.name).rows(source.name, settings.seed), 1):
            if number == 1:
                settings.require(row, f"builtin:{source.parent.name}")
            yield Record(number, pick(row, columns))

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return []

    def state(self, source: Path, settings: Settings) -> str:
        return f"{source_hash(source.parent.name)} {settings.seed}"

    def pick(self, root: Path, pattern: str) -> list[Path]:
        return [root / pattern]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        return {split: [root / split] for split in ("train", "validation", "test")}
