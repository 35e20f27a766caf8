"""Text: raw texts, pairs or split words -> subword ids, in the tokenizer's own threads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from .windows import windows

TEXTS, PAIRS = ("text", "source", "question"), ("pair", "context")  # roles of a text, and of its second half
_WORD = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, and single other signs."""
    return _WORD.findall(text)


class TextTokens(NamedTuple):
    """One raw text and the words found in it, so that heads of texts and heads of words share one trunk pass."""

    ids: np.ndarray  # (L,) int32
    words: np.ndarray  # (W,) int32: the place of each word's first token in ids, -1 where it was cut off
    strings: list[str]  # the W words
    spans: list[tuple[int, int]]  # their characters in the text, end exclusive


class Reader:
    """Reads texts by one tokenizer. Any number of threads may share it: each call sets the tokenizer's limits anew.

    Args:
        tokenizer: the JSON of a tokenizer of ``tokenizers``, which frames single texts and pairs.
    """

    def __init__(self, tokenizer: str) -> None:
        self._text = Tokenizer.from_str(tokenizer)
        self._words = Tokenizer.from_str(_spaced(tokenizer))
        self._text.no_padding()
        self._words.no_padding()
        self._lock = Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Reader:
        """Itself: nothing in it changes from one call to the next, and models that are copied need not have two."""
        return self

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, words: bool, most: int) -> list[dict[str, np.ndarray]]:
        """Tokens of a batch of rows.

        Args:
            rows: role -> value: ``text``, ``source`` or ``question``, optionally ``pair`` or ``context``; with
                ``words``: ``tokens``, already split, or a raw text, whose words are found as ``tokens_of_text`` does.
            words: read ``tokens`` and also return where each word begins.
            most: tokens of a row, special ones counted; longer input is cut, its special tokens kept.

        Returns:
            Per row ``ids`` (L,) int32; ``types`` (L,) int32 unless all are 0; with ``words`` also ``words`` (W,) int32:
            the place of each word's first token, -1 for a word that was cut off or has no token (a control character).
        """
        if words and any(isinstance(row["tokens"], str) for row in rows):
            split = self.tokens([row for row in rows if not isinstance(row["tokens"], str)], words=True, most=most)
            rest = iter(split)
            return [self._worded(row["tokens"], most) if isinstance(row["tokens"], str) else next(rest) for row in rows]
        encoder = self._words if words else self._text
        inputs = [list(row["tokens"]) for row in rows] if words else [_text_of(row) for row in rows]
        encode = encoder.encode_batch if words else encoder.encode_batch_fast  # the fast one forgets words
        with self._lock:
            encoder.enable_truncation(most, strategy="longest_first")
            encoded = encode(inputs, is_pretokenized=words)
        out = []
        for one, given in zip(encoded, inputs, strict=True):
            example = {"ids": np.array(one.ids, dtype=np.int32)}
            types = np.array(one.type_ids, dtype=np.int32)
            if types.any():
                example["types"] = types
            if words:
                example["words"] = _first_tokens(one.word_ids, len(given))
            out.append(example)
        return out

    def _worded(self, text: str, most: int) -> dict[str, np.ndarray]:
        found = self.tokens_of_text(text, most=most)
        return {"ids": found.ids, "words": found.words}

    def windows(
        self, rows: Sequence[Mapping[str, Any]], *, stride: int, most: int
    ) -> list[list[dict[str, np.ndarray]] | str]:
        """Tokens of questions and contexts: one window a row, or several that overlap where a context is too long.

        Args:
            rows: role -> value: ``question`` and ``context``.
            stride, most: see ``windows``.
        """
        pairs = [(row["question"], row["context"]) for row in rows]
        with self._lock:
            return windows(self._text, pairs, most=most, stride=stride)

    def tokens_of_text(self, text: str, *, most: int) -> TextTokens:
        """Tokens of a raw text, exactly as ``tokens`` gives them, and the words and punctuation marks found in it."""
        with self._lock:
            self._text.enable_truncation(most, strategy="longest_first")
            encoded = self._text.encode(text)
        spans = [match.span() for match in _WORD.finditer(text)]
        words = np.full(len(spans), -1, dtype=np.int32)
        token = 0
        real = [(i, a, b) for i, (a, b) in enumerate(encoded.offsets) if b > a]  # special tokens cover no characters
        for number, (start, end) in enumerate(spans):
            while token < len(real) and real[token][2] <= start:
                token += 1
            if (
                token < len(real) and real[token][1] < end
            ):  # the token that covers the word's first character, or its first
                words[number] = real[token][0]
        return TextTokens(np.array(encoded.ids, dtype=np.int32), words, [text[a:b] for a, b in spans], spans)

    def piece(self, number: int) -> str:
        """How a token reads."""
        return str(self._text.decode([number], skip_special_tokens=False))


def _text_of(row: Mapping[str, Any]) -> str | tuple[str, str]:
    """The text of a row, with the second half if it has one: of these, one may be missing."""
    first, second = (next((row[r] for r in roles if row.get(r) is not None), None) for roles in (TEXTS, PAIRS))
    if first is None or second is None:
        return first or second or ""
    return first, second


def _first_tokens(word_of_token: Sequence[int | None], count: int) -> np.ndarray:
    """(L,) the word of each token -> (W,) the first token of each word, -1 for words without one."""
    first = np.full(count, -1, dtype=np.int32)
    for token in range(len(word_of_token) - 1, -1, -1):
        word = word_of_token[token]
        if word is not None:
            first[word] = token
    return first


def _spaced(backend: str) -> str:
    """The same tokenizer for words that are already split: each is read as if a space stood before it.

    Byte-level and SentencePiece tokenizers (RoBERTa, XLM-R) otherwise take a word for the middle of another.
    """
    settings = json.loads(backend)

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "ByteLevel" and "add_prefix_space" in node:
                node["add_prefix_space"] = True
            if node.get("type") == "Metaspace" and "prepend_scheme" in node:
                node["prepend_scheme"] = "always"
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(settings["pre_tokenizer"])
    return json.dumps(settings)
