"""Pieces: the vocabulary of a task that writes text: text to piece numbers and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer

PAD, BEGIN, END = 0, 1, 2  # the first pieces of every vocabulary


class Pieces:
    """Text to piece numbers and back.

    Args:
        tokenizer: the JSON of a tokenizer of ``tokenizers``.
        languages: those it was learned with.
    """

    def __init__(self, tokenizer: str, languages: Sequence[str] = ()) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self.languages = tuple(languages)
        self.specials = 3 + len(self.languages)  # numbers below this are no text

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def begin(self, language: str | None = None) -> int:
        """The piece that opens a text (of a language)."""
        return BEGIN if language is None else 3 + self.languages.index(language)

    def encode(self, text: str) -> list[int]:
        """Without begin and end."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Specials are left out; bytes that are no UTF-8 become U+FFFD."""
        return str(self._tokenizer.decode([i for i in ids if i >= self.specials], skip_special_tokens=False))
