"""fasta: sequences of DNA, RNA or proteins, each under a line that begins with ">". Pearson and Lipman 1988."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono.data.readers.base import Bad, Column, Reader, Record, Settings
from unisono.data.readers.text import lines

LONGEST = 1 << 20  # letters; a whole chromosome is no row


class Fasta(Reader):
    """Its columns are ``id`` (the title up to the first blank), ``description`` (the rest of the title), ``title``,
    ``sequence``, and by number the parts of the title between bars: of ``>seq1|enhancer|train`` 1 is "enhancer".
    """

    name = "fasta"
    suffixes = (".fasta", ".fa", ".fna", ".ffn", ".faa", ".frn", ".fas")

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        numbers = [column for column in settings.wanted if isinstance(column, int) and column >= 0]
        settings.require(["id", "description", "title", "sequence", *numbers], str(source))
        title: tuple[int, str] | None = None
        parts: list[str] = []
        size, fault = 0, None
        for number, line in lines(source, settings.encoding):
            if isinstance(line, Bad):
                fault = fault or line
                if title is None:
                    yield Record(number, line)
                    fault = None
            elif line.startswith(">"):
                if title is not None:
                    yield Record(title[0], fault or _columns(title[1], parts, numbers))
                title, parts, size, fault = (number, line[1:].strip()), [], 0, None
            elif line.startswith(";") or not line.strip():
                continue  # an old comment
            elif title is None:
                yield Record(number, Bad('a sequence without a line ">" above it', line[:200]))
            elif fault is None:
                piece = "".join(line.split())
                size += len(piece)
                if size > LONGEST:
                    fault, parts = Bad(f"a sequence of more than {LONGEST:,} letters", title[1][:200]), []
                else:
                    parts.append(piece)
        if title is not None:
            yield Record(title[0], fault or _columns(title[1], parts, numbers))

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        out: list[dict[Column, Any]] = []
        for record in self.read(source, Settings({}, encoding=settings.encoding)):
            if len(out) == count:
                break
            if not isinstance(record.value, Bad):
                out.append(record.value)
        return out


def _columns(title: str, parts: list[str], numbers: list[int]) -> dict[Column, Any] | Bad:
    between = title.split("|")
    most = max(numbers, default=-1)
    if most >= len(between):
        return Bad(
            f"{len(between)} part{'s' * (len(between) != 1)} of a title between bars, expected {most + 1}", title[:200]
        )
    name, _, description = title.partition(" ")
    out: dict[Column, Any] = {
        "id": name,
        "description": description.strip(),
        "title": title,
        "sequence": "".join(parts),
    }
    return out | {number: between[number].strip() for number in numbers}
