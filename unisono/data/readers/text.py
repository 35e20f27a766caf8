"""Lines of a text file, plain or gzipped, streamed; a line that cannot be decoded is a Bad, not a crash."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from unisono.data.errors import DataError
from unisono.data.readers.base import Bad, plain_file

_BLOCK = 1 << 20
_LONGEST = 1 << 24  # bytes; a longer line is no line of text


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked when it is gzipped.

    Raises:
        DataError: the file cannot be opened, or its compression is damaged.
    """
    try:
        with plain_file(path).open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.open(raw) as f:
                    yield cast(BinaryIO, f)
            else:
                yield raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise DataError(f"{path}: the gzip file is damaged or cut short ({e}); fetch it again") from e
    except OSError as e:
        raise DataError(f"{path} cannot be read: {e.strerror or e}") from e


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str | Bad]]:
    """(line number from 1, the line without its end). A byte order mark is dropped; blank lines are kept.

    Raises:
        DataError: the file cannot be read at all.
    """
    name = codecs.lookup(encoding).name
    with open_bytes(path) as f:
        pairs = _wide_lines(f, path, encoding) if name.startswith(("utf-16", "utf-32")) else _byte_lines(f, encoding)
        for number, line in pairs:
            if number == 1 and isinstance(line, str):
                line = line.removeprefix("\ufeff")
            yield number, line


def head(path: Path, encoding: str = "utf-8", count: int = 200) -> list[str]:
    """The first decodable lines, at most ``count``: what formats are guessed from."""
    return [line for _, line in islice(lines(path, encoding), count) if isinstance(line, str)]


def _byte_lines(f: BinaryIO, encoding: str) -> Iterator[tuple[int, str | Bad]]:
    number, rest, too_long = 0, b"", False
    while block := f.read(_BLOCK):
        block = rest + block
        cut = block.rfind(b"\n")
        if cut < 0:
            too_long = too_long or len(block) > _LONGEST
            rest = block[:200] if too_long else block
            continue
        rest = block[cut + 1 :]
        done = block[:cut]
        if too_long:  # the end of the overlong line is in this block
            number += 1
            yield number, _too_long(done)
            too_long = False
            end = done.find(b"\n")
            if end < 0:
                continue
            done = done[end + 1 :]
        for line in _decoded(done, encoding):
            number += 1
            yield number, line
    if too_long:
        yield number + 1, _too_long(rest)
    elif rest:
        for line in _decoded(rest, encoding):
            number += 1
            yield number, line


def _decoded(block: bytes, encoding: str) -> Iterator[str | Bad]:
    try:
        text = block.decode(encoding)  # a whole block at once is far faster than line by line
    except UnicodeError:
        for raw in block.split(b"\n"):
            try:
                yield raw.decode(encoding).removesuffix("\r")
            except UnicodeError:
                yield Bad(f"not valid {encoding}", raw[:200].decode("utf-8", errors="replace"))
        return
    if "\r" in text:
        for line in text.split("\n"):
            yield line.removesuffix("\r")
    else:
        yield from text.split("\n")


def _too_long(raw: bytes) -> Bad:
    return Bad(f"a line of more than {_LONGEST >> 20} MiB", raw[:200].decode("utf-8", errors="replace"))


def _wide_lines(f: BinaryIO, path: Path, encoding: str) -> Iterator[tuple[int, str | Bad]]:
    """UTF-16 and UTF-32, whose newline is not one byte: after one fault all that follows is unreadable."""
    number = 0
    wrapped = io.TextIOWrapper(f, encoding=encoding, newline="\n")
    try:
        while line := wrapped.readline(_LONGEST):
            number += 1
            yield number, line.removesuffix("\n").removesuffix("\r")
    except UnicodeError as e:
        raise DataError(f"{path} line {number + 1}: not valid {encoding}; say the right one with encoding:") from e
    finally:
        wrapped.detach()
