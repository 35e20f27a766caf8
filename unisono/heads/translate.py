"""translate: text in one target language or several, by a Transformer decoder with its own vocabulary."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unisono.heads.base import Example, Prediction, Row, Targets, UnfitRow
from unisono.heads.pieces import learn
from unisono.heads.writer import Writer, WriterOptions
from unisono.packed import Packed
from unisono.runtime.stepwise import finish
from unisono.runtime.writing import Texts, in_languages


class Translate(Writer):
    """Text to text, see ``Writer``. With several languages every text begins with the token of its language, and all
    texts of one row share the source states: ``row["target"]`` is then ``{language: text or None}``.
    """

    class Options(WriterOptions):
        languages: list[str] | None = Field(
            None, min_length=1, description="target languages; default: the names that the targets come under, if any"
        )

    labels_in: ClassVar[tuple[str, ...]] = ("target",)
    quick: ClassVar[Mapping[str, Any]] = {"beams": 1}

    options: Options

    @classmethod
    def fit(cls, rows: Iterable[Row], options: Options) -> dict[str, Any]:
        """Learns the vocabulary from the targets. Equal rows in equal order give an equal vocabulary."""
        targets = (row["target"] for row in rows if row.get("target") is not None)
        first = next(targets, None)
        if first is None:
            raise ValueError("translate: no training row has a target; check the column that `target` names")
        languages = list(options.languages or (first if isinstance(first, Mapping) else []))
        if len(set(languages)) < len(languages):
            raise ValueError(f"translate: languages {languages} names one language twice")
        texts = _texts(itertools.chain([first], targets), languages)
        several = languages if len(languages) > 1 else []
        return {"tokenizer": learn(texts, size=options.vocabulary, languages=several), "languages": several}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``target``: begin, tokens, end; with several languages one such text after the other, each with its begin."""
        target = row.get("target")
        texts: dict[str | None, str | None]
        if self.pieces.languages:
            if target is not None and not isinstance(target, Mapping):
                raise UnfitRow(f"one target, but this task has the languages {', '.join(self.pieces.languages)}")
            texts = dict(target or {})
            if strange := sorted(set(texts) - set(self.pieces.languages), key=str):
                raise UnfitRow(f"target language {strange[0]!r} is none of {', '.join(self.pieces.languages)}")
            texts = {language: texts.get(language) for language in self.pieces.languages}
        elif isinstance(target, Mapping):
            if len(target) > 1:
                raise UnfitRow(f"targets in {', '.join(target)}, but this task was fitted to one language")
            texts = {None: next(iter(target.values()), None)}
        else:
            texts = {None: target}
        return self.write({language: [text] for language, text in texts.items() if text is not None})

    def predict(
        self,
        states: Packed,
        targets: Targets,
        *,
        beams: int | None = None,
        language: str | None = None,
        max_new: int | None = None,
        min_new: int = 0,
    ) -> list[Prediction]:
        """Translates B sources.

        Args:
            states: (N, D) source states.
            targets: not looked at.
            beams: breadth of the search; default: that of the options.
            language: one of the target languages; default with several: all of them, the first as ``text``.
            max_new: the most tokens to produce, end included; default: ``max_length`` of the options.
            min_new: the fewest.

        Returns:
            ``{"text"}``; with several languages ``{"text", "language"}``, and where none was asked for also
            ``"texts"``, the text in every language.
        """
        how: dict[str, Any] = {"beams": beams, "language": language, "max_new": max_new, "min_new": min_new}
        return finish(self.steps(states, targets, **how))

    def steps(
        self, states: Packed, targets: Targets, *, partial: bool = False, language: str | None = None, **how: Any
    ) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
        def search(each: str | None) -> Texts:
            return self.search(states, each, partial=partial, **how)

        return (yield from in_languages(search, states.layout.count, self.pieces.languages, language))


def _texts(targets: Iterable[Any], languages: Sequence[str]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, Mapping):
            yield from (text for language in languages if (text := target.get(language)) is not None)
        else:
            yield target
