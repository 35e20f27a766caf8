"""Writing: texts that grow step by step, in one language or in several one after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from .pieces import END, Pieces
from .questions import Prediction

Texts = Generator[Mapping[int, str], None, list[str]]  # yields what is written so far, by the number of its source


def until(end: int, tokens: list[int]) -> list[int]:
    """The tokens before the first ``end``."""
    return tokens[: tokens.index(end)] if end in tokens else tokens


def growing(
    steps: Generator[Any, None, list[list[int]]], part: Sequence[int], pieces: Pieces, *, partial: bool
) -> Generator[Mapping[int, str], None, list[list[int]]]:
    """The steps of a search, those of a greedy one with the texts so far.

    Args:
        steps: yields the tokens of all texts so far, (B, S), or None.
        part: the numbers of their sources. ``partial``: the texts so far are wanted.
    """
    while True:
        try:
            tokens = next(steps)
        except StopIteration as end:
            found: list[list[int]] = end.value
            return found
        known = {}
        if partial and tokens is not None:
            for b, ids in zip(part, tokens.tolist(), strict=True):
                known[b] = pieces.decode(until(END, ids))
        yield known


def in_languages(
    search: Callable[[str | None], Texts], count: int, known: Sequence[str], language: str | None = None
) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
    """The predictions of ``count`` sources: ``{"text"}``; with several languages ``{"text", "language"}``, and where
    none was asked for also ``"texts"``, the text in every language.

    Args:
        search: writes all texts in a language. ``known``: the languages, none where there is but one.

    Raises:
        ValueError: a language that is not known.
    """
    if language is not None and language not in known:
        raise ValueError(f"language {language!r}: this task translates into {', '.join(known) or 'one language'}")
    asked: Sequence[str | None] = [language] if language is not None else known or [None]
    texts: dict[str | None, list[str]] = {}

    def told(b: int) -> Prediction:
        of = {each: several[b] for each, several in texts.items()}
        first: Prediction = {"text": of[asked[0]], "language": asked[0]} if known else {"text": of[None]}
        return {**first, "texts": of} if known and language is None else first

    for each in asked:
        written = search(each)
        texts[each] = [""] * count
        while True:
            try:
                grown = next(written)
            except StopIteration as end:
                texts[each] = end.value
                break
            for b, text in grown.items():
                texts[each][b] = text
            yield {b: told(b) for b in grown}
    return [told(b) for b in range(count)]
