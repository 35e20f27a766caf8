"""squad: questions about paragraphs, as SQuAD 1.1 and 2.0 have them, one paragraph in memory at a time.

Rajpurkar et al. 2016 (https://arxiv.org/abs/1606.05250) and 2018 (https://arxiv.org/abs/1806.03822).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings
from unisono.data.readers.json_stream import JsonStream
from unisono.data.readers.text import open_bytes

COLUMNS = ("question", "context", "answers", "id")
_OPENING = re.compile(rb'\s*\{\s*("version"\s*:\s*"[^"]{0,40}"\s*,\s*)?"data"\s*:\s*\[\s*\{\s*"(title|paragraphs)"')


class Squad(Reader):
    """Columns: question, context, answers (a list, empty where the question has no answer) and id.

    The row number counts the questions of the file. A question without the key ``answers`` has no label.
    """

    name = "squad"
    suffixes = (".json",)
    counts = "question"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        settings.require(COLUMNS, str(source))
        number = 0
        for paragraph in _paragraphs(source, settings.encoding):
            for value in _questions(paragraph):
                number += 1
                yield Record(number, value)


def is_squad(path: Path) -> bool:
    """Whether a JSON file begins as SQuAD does."""
    try:
        with open_bytes(path) as file:
            return _OPENING.match(file.read(4096).removeprefix(b"\xef\xbb\xbf")) is not None
    except DataError:
        return False


def _paragraphs(path: Path, encoding: str) -> Iterator[Any]:
    """``{"data": [{"paragraphs": [...]}]}`` -> each paragraph, decoded."""
    with open_bytes(path) as file:
        stream = JsonStream(file, path, encoding)
        found = False
        for key in stream.members():
            if key != "data":
                stream.value()
                continue
            found = True
            for _ in stream.items():
                for inner in stream.members():
                    if inner == "paragraphs":
                        for _ in stream.items():
                            yield stream.value()
                    else:
                        stream.value()
        if not found:
            raise DataError(f'{path} is no SQuAD file: it has no "data"')


def _questions(paragraph: Any) -> Iterator[dict[Column, Any] | Bad]:
    if not isinstance(paragraph, dict) or not isinstance(paragraph.get("qas"), list):
        yield Bad('a paragraph without a list "qas"', str(paragraph)[:200])
        return
    for asked in paragraph["qas"]:
        if not isinstance(asked, dict):
            yield Bad("a question that is no JSON object", str(asked)[:200])
            continue
        answers = [] if asked.get("is_impossible") is True else asked.get("answers")
        yield {
            "question": asked.get("question"),
            "context": paragraph.get("context"),
            "answers": answers,
            "id": asked.get("id"),
        }
