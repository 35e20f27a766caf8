"""json_stream: a JSON document that need not fit into memory, walked from the outside in."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from unisono.data.errors import DataError

_BLOCK = 1 << 16  # bytes
_LONGEST = 1 << 22  # characters: a longer value is not decoded as a whole
_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\n\r]*")


class JsonStream:
    """The caller walks objects and arrays that may be of any size, and takes the values inside them whole.

    Of ``members`` and ``items``, each step must be followed by taking what stands there, by ``value``, ``members`` or
    ``items``.

    Args:
        file: the document's bytes. ``path`` is named in errors.

    Raises (every method):
        DataError: no JSON, another thing than what was asked for, or a value of more than 4 million characters.
    """

    def __init__(self, file: BinaryIO, path: Path, encoding: str = "utf-8") -> None:
        self._file, self._path, self._encoding = file, path, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._text, self._at, self._passed, self._ended = "", 0, 0, False
        if self.peek() == "\ufeff":
            self._at += 1

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            assert blank is not None  # it matches nothing, too
            self._at = blank.end()
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._read(_BLOCK)

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            key = self.value() if self.peek() == '"' else None
            if key is None:
                raise self.fault("a key was expected")
            self._take(":")
            yield key
            if self._ends("}"):
                return

    def items(self) -> Iterator[None]:
        """A step for each value of the array that begins here."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield
            if self._ends("]"):
                return

    def listed(self, *names: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Of an object of arrays, each object of the arrays of these names, with the name. What else there is, is
        passed over.
        """
        for name in self.members():
            if name not in names or self.peek() != "[":
                self.value()
                continue
            for _ in self.items():
                one = self.value()
                if not isinstance(one, dict):
                    raise self.fault(f"an object was expected among {name}")
                yield name, one

    def value(self) -> Any:
        """The whole value that begins here."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self.fault("nested too deep") from None
            except ValueError as error:
                reason = getattr(error, "msg", "a number that is too long")
            else:
                if self._ended or self._whole(found, end):
                    self._at = end
                    return found
                reason = "a number that does not end"
            held = len(self._text) - self._at
            if self._ended:
                raise self.fault(f"{reason[:1].lower()}{reason[1:]}, or the file is cut short")
            if held > _LONGEST:
                raise self.fault(f"{reason[:1].lower()}{reason[1:]}, or a value of more than {_LONGEST:,} characters")
            self._read(max(held, _BLOCK))  # as much again: what is decoded in vain stays in proportion

    def fault(self, what: str) -> DataError:
        """The error to raise at this place."""
        return DataError(f"{self._path}: not the JSON that was expected at character {self._passed + self._at}: {what}")

    def _whole(self, found: Any, end: int) -> bool:
        """Whether a value is all there: a number may go on after what was read ("1" of "1.5")."""
        if not isinstance(found, (int, float)):
            return True
        return self._text[end : end + 1] in tuple(",]} \t\n\r")

    def _ends(self, closing: str) -> bool:
        """Takes a comma or the closing bracket."""
        found = self.peek()
        if found not in (",", closing) or not found:
            raise self.fault(f'"," or "{closing}" was expected, found {found!r}')
        self._at += 1
        return found == closing

    def _take(self, character: str) -> None:
        found = self.peek()
        if found != character:
            raise self.fault(f'"{character}" was expected, found {found!r}')
        self._at += 1

    def _read(self, size: int) -> None:
        """Forgets what was taken, and reads on."""
        block = self._file.read(size)
        self._ended = not block
        try:
            more = self._decoder.decode(block, final=not block)
        except UnicodeError:
            raise self.fault(f"not valid {self._encoding}") from None
        self._passed += self._at
        self._text, self._at = self._text[self._at :] + more, 0
