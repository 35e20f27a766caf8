"""caption and answer: a text about whatever a row brings, an image, a sound, a question, by the decoder of translate.

Vinyals et al. 2015 (https://arxiv.org/abs/1411.4555) have it for images, Cho et al. 2021
(https://arxiv.org/abs/2102.02779) for answers too.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from unisono.heads import base
from unisono.heads.base import Example, Prediction, Row, Targets
from unisono.heads.pieces import learn
from unisono.heads.writer import Writer, WriterOptions
from unisono.packed import Packed
from unisono.runtime.stepwise import finish
from unisono.runtime.writing import Texts, in_languages


class Caption(Writer):
    """See ``Writer``. A row's label is a text, or a list of texts of which each would do: all of them are learned."""

    Options: ClassVar[type[base.Options]] = WriterOptions
    labels_in: ClassVar[tuple[str, ...]] = ("caption",)
    quick: ClassVar[Mapping[str, Any]] = {"beams": 1}

    @classmethod
    def fit(cls, rows: Iterable[Row], options: WriterOptions) -> dict[str, Any]:
        """Learns the vocabulary from the texts. Equal rows in equal order give an equal vocabulary."""
        (role,) = cls.labels_in
        texts = (text for row in rows for text in _texts(row.get(role)))
        first = next(texts, None)
        if first is None:
            raise ValueError(f"no training row has a text to learn; check the column that `{role}` names")
        return {"tokenizer": learn(itertools.chain([first], texts), size=options.vocabulary), "languages": []}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``target``: begin, tokens, end of each of the row's texts."""
        return self.write({None: _texts(row.get(self.labels_in[0]))})

    def predict(
        self,
        states: Packed,
        targets: Targets,
        *,
        beams: int | None = None,
        max_new: int | None = None,
        min_new: int = 0,
    ) -> list[Prediction]:
        """``{"text"}`` of B sources, states (N, D); for ``beams``, ``max_new`` and ``min_new`` see ``search``."""
        return finish(self.steps(states, targets, beams=beams, max_new=max_new, min_new=min_new))

    def steps(
        self, states: Packed, targets: Targets, *, partial: bool = False, **how: Any
    ) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
        def search(language: str | None) -> Texts:
            return self.search(states, language, partial=partial, **how)

        return (yield from in_languages(search, states.layout.count, ()))


class Answer(Caption):
    """The answer to a row's question."""

    labels_in: ClassVar[tuple[str, ...]] = ("answer",)


def _texts(said: str | list[str] | None) -> list[str]:
    return [said] if isinstance(said, str) else list(said or ())
