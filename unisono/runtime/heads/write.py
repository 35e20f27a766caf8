"""write: texts, in one language or several, by a decoder that is run step by step: translate, answer and caption."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

from ..pack import length
from ..pieces import END, Pieces
from ..questions import Prediction
from ..search import Terms, beam, greedy
from ..stepwise import finish
from ..writing import Texts, growing, in_languages
from .base import Arrays, Example, Head, Run
from .decoder import Decoder


class Write(Head):
    """Keys and values of the sources, (B, H, L, K) of each layer -> ``{"text"}``; with several languages ``{"text",
    "language"}``, and where none was asked for also ``"texts"``, the text in every language.
    """

    options: ClassVar[tuple[str, ...]] = ("beams", "max_new", "min_new")
    stepwise = True

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        name = said.text("pieces", tuple(files))
        self.languages = said.texts("languages")
        try:
            self.pieces = Pieces(files[name], self.languages)
        except Exception as error:  # the library raises a bare Exception
            raise said.wrong("pieces", f"a tokenizer ({str(error)[:80]})") from None
        self.decoder, self.beams = Decoder(self, step), said.whole("beams", 1, 1000)
        self.length_penalty = said.number("length_penalty")

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        return finish(self.steps(outputs, examples))

    def steps(
        self,
        outputs: Arrays,
        examples: Sequence[Example],
        *,
        partial: bool = False,
        language: str | None = None,
        **how: Any,
    ) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
        def search(each: str | None) -> Texts:
            return self._search(outputs, examples, each, partial, **how)

        return (yield from in_languages(search, len(examples), self.languages, language))

    def _search(
        self,
        outputs: Arrays,
        examples: Sequence[Example],
        language: str | None,
        partial: bool,
        beams: int | None = None,
        max_new: int | None = None,
        min_new: int = 0,
    ) -> Texts:
        """A text for each example. A search of more than one beam has nothing to show before its end, so that without
        ``beams`` a partial one has one.
        """
        beams = beams or (1 if partial else self.beams)
        longest = min(max_new or self.decoder.longest, self.decoder.longest)
        terms = Terms(self.pieces.begin(language), END, self.pieces.specials, longest, min_new)
        lengths = [length(e) for e in examples]
        texts = [""] * len(lengths)
        for part, decoding in self.decoder.parts(outputs, lengths, beams):
            if beams == 1:
                found = yield from growing(greedy(decoding, terms), part, self.pieces, partial=partial)
            else:
                wide = beam(decoding, terms, beams=beams, length_penalty=self.length_penalty)
                found = yield from growing(wide, part, self.pieces, partial=False)
            for b, ids in zip(part, found, strict=True):
                texts[b] = self.pieces.decode(ids)
        return texts


class Translate(Write):
    """A text in another language."""

    roles = ("source",)
    options = ("beams", "language", "max_new", "min_new")


class Answer(Write):
    """The answer to a question, perhaps about a context."""

    roles = ("question", "context")


class Caption(Write):
    """A text about a text."""

    roles = ("text", "pair")
