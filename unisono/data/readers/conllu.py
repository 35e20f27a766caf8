"""conllu: Universal Dependencies, ten tab-separated columns a word. https://universaldependencies.org/format.html"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unisono.data.errors import DataError, nearest
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings
from unisono.data.readers.text import lines

_NAMES = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_DEFAULTS: dict[Column, str] = {"tokens": "form", "tags": "upos"}


class Conllu(Reader):
    """Columns by name; without any, tokens are the forms and tags the universal parts of speech.

    Multiword tokens (1-2) and empty nodes (1.1) are left out: the syntactic words are kept. The column "text" is
    the sentence's ``# text`` comment.
    """

    name = "conllu"
    suffixes = (".conllu", ".conll-u")

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        places = {
            column: _place(column, source) for column, must in settings.wanted.items() if column != "text" or must
        }
        cells: list[list[str]] = []
        text: str | None = None
        first, fault = 0, None
        for number, line in _closed(source, settings):
            if isinstance(line, Bad):
                fault = fault or Record(number, line)
            elif not line.strip():
                if fault is not None:
                    yield fault
                elif cells:
                    yield Record(first, {c: text if i < 0 else _column(cells, i) for c, i in places.items()})
                cells, fault, text = [], None, None
            elif line.startswith("#"):
                if line.startswith("# text = "):
                    text = line[len("# text = ") :]
            elif fault is None:
                word = line.split("\t")
                first = first if cells else number
                if len(word) != len(_NAMES):
                    fault = Record(
                        number, Bad(f"{len(word)} column{'s' * (len(word) != 1)}, expected {len(_NAMES)}", line[:200])
                    )
                elif "-" not in word[0] and "." not in word[0]:
                    cells.append(word)


def _closed(source: Path, settings: Settings) -> Iterator[tuple[int, str | Bad]]:
    """The lines and one blank line more, so that the last sentence ends like the others."""
    yield from lines(source, settings.encoding)
    yield 0, ""


def _column(cells: list[list[str]], place: int) -> list[str | None]:
    given = place <= 2  # a form or lemma "_" may be a word; elsewhere it says that nothing is given
    return [word[place] if given or word[place] != "_" else None for word in cells]


def _place(column: Column, source: Path) -> int:
    name = _DEFAULTS.get(column, column)
    if name == "text":
        return -1
    if isinstance(name, int) and 0 <= name < len(_NAMES):
        return name
    if name in _NAMES:
        return _NAMES.index(str(name))
    raise DataError(f'{source} has no column "{column}"{nearest(column, _NAMES)} (CoNLL-U has: {", ".join(_NAMES)})')
