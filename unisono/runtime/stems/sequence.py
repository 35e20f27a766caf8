"""sequence: molecules (SMILES), DNA, RNA, proteins, any letters, as the numbers of their symbols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast, get_args

import numpy as np

from ..fields import Fields
from .base import Arrays, Stem, Tokens
from .molecules import spellings
from .symbols import Alphabet, Unreadable, clean, symbols

START, UNKNOWN, FIRST = 0, 1, 2  # numbers of the start vector, of a symbol that training did not have, of the others


@dataclass(frozen=True)
class Symbols(Stem):
    """A vector for each symbol, behind a start vector.

    Args:
        k: letters of a symbol. ``canonical``: molecules are written anew by RDKit.
        known: the symbols of the vocabulary, in the order of their numbers.
        places: of aligned rows, at how many places a symbol has a vector of its own; what lies behind is read as if at
            the last. 0: one vector wherever it stands.
    """

    alphabet: Alphabet
    k: int
    canonical: bool
    known: tuple[str, ...]
    most: int
    places: int = 0
    kind: ClassVar[str] = "sequence"
    reads: ClassVar[tuple[str, ...]] = ("symbols",)

    def told(self) -> dict[str, Any]:
        told = {"alphabet": self.alphabet, "k": self.k, "canonical": self.canonical, "symbols": list(self.known)}
        return {**told, "places": self.places} if self.places else told

    @classmethod
    def of(cls, said: Fields, most: int) -> Symbols:
        alphabet = cast(Alphabet, said.text("alphabet", get_args(Alphabet)))
        known, places = said.texts("symbols"), said.whole("places", 0, most) if said.has("places") else 0
        return cls(alphabet, said.whole("k", 1, 8), said.flag("canonical"), known, most, places)

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> list[Tokens | str]:
        """``symbols`` (L,) int32, the start included; what is longer is cut. A sequence that the alphabet or RDKit
        cannot read gives the reason instead.
        """
        room = max(min(most or self.most, self.most) - 1, 1)
        out: list[Tokens | str] = []
        for row in rows:
            try:
                out.append({"symbols": self.numbers(self._spelt(str(row["sequence"]), room))})
            except Unreadable as reason:
                out.append(str(reason))
        return out

    def _spelt(self, text: str, most: int) -> list[str]:
        return spelt(text, self.alphabet, self.k, canonical=self.canonical, most=most)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {symbol: at for at, symbol in enumerate(self.known, FIRST)}

    def numbers(self, spelling: Sequence[str]) -> np.ndarray:
        """(1 + L,) int32."""
        return np.array([START, *(self._number.get(symbol, UNKNOWN) for symbol in spelling)], np.int32)

    def length(self, tokens: Arrays) -> int:
        return len(tokens["symbols"])

    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        """``symbols`` (n,) int64, the rows of the table of vectors."""
        numbers = np.concatenate([e["symbols"] for e in examples]).astype(np.int64)
        if self.places:
            at = np.concatenate([np.arange(len(e["symbols"])) for e in examples])
            numbers += np.minimum(at, self.places - 1) * self.vocabulary
        yield list(range(len(examples))), {"symbols": numbers}

    @property
    def vocabulary(self) -> int:
        """How many numbers there are."""
        return FIRST + len(self.known)


def spelt(text: str, alphabet: Alphabet, k: int, *, canonical: bool, most: int) -> list[str]:
    """The symbols of a sequence, at most ``most``.

    Raises:
        Unreadable: the alphabet, or RDKit, cannot read it.
    """
    text = clean(text, alphabet)
    if not text:
        raise Unreadable("an empty sequence")
    if canonical:
        return symbols(spellings(text)[0], alphabet)[:most]
    return symbols(text, alphabet, k, most)
