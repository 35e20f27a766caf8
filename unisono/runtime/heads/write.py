"""write: texts, in one language or several, by a decoder that is run step by step: translate, answer and caption."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..decoding import HIDDEN, Decoding
from ..errors import Damaged
from ..manifest import LONGEST
from ..pieces import END, Pieces
from ..questions import Prediction
from ..search import Terms, beam, greedy, until
from .base import Arrays, Example, Head, Run

_ROWS = 512  # hypotheses decoded side by side: more do not run faster, and the cache grows with them


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
        self.layers = said.whole("layers", 1, 1000)
        self.longest, self.beams = said.whole("max_length", 1, LONGEST), said.whole("beams", 1, 1000)
        self.length_penalty = said.number("length_penalty")
        if step is None:
            raise Damaged(f'task "{self.task.name}": a head that writes needs the graph of its step')
        self.step = step

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        steps = self.steps(outputs, examples)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: list[Prediction] = end.value
                return found

    def steps(
        self,
        outputs: Arrays,
        examples: Sequence[Example],
        *,
        partial: bool = False,
        language: str | None = None,
        **how: Any,
    ) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
        known = self.languages
        if language is not None and language not in known:
            raise ValueError(f"language {language!r}: this task translates into {', '.join(known) or 'one language'}")
        asked: Sequence[str | None] = [language] if language is not None else known or [None]
        texts: dict[str | None, list[str]] = {}

        def told(b: int) -> Prediction:
            of = {each: several[b] for each, several in texts.items()}
            first: Prediction = {"text": of[asked[0]], "language": asked[0]} if known else {"text": of[None]}
            return {**first, "texts": of} if known and language is None else first

        for each in asked:
            written = self._search(outputs, examples, each, partial, **how)
            texts[each] = [""] * len(examples)
            while True:
                try:
                    grown = next(written)
                except StopIteration as end:
                    texts[each] = end.value
                    break
                for b, text in grown.items():
                    texts[each][b] = text
                yield {b: told(b) for b in grown}
        return [told(b) for b in range(len(examples))]

    def _search(
        self,
        outputs: Arrays,
        examples: Sequence[Example],
        language: str | None,
        partial: bool,
        beams: int | None = None,
        max_new: int | None = None,
        min_new: int = 0,
    ) -> Generator[Mapping[int, str], None, list[str]]:
        """A text for each example. A search of more than one beam has nothing to show before its end, so that without
        ``beams`` a partial one has one.
        """
        beams = beams or (1 if partial else self.beams)
        longest = min(max_new or self.longest, self.longest)
        terms = Terms(self.pieces.begin(language), END, self.pieces.specials, longest, min_new)
        lengths = [len(e["ids"]) for e in examples]
        order = sorted(range(len(lengths)), key=lambda b: lengths[b])  # like lengths side by side: fewer pads
        texts, at_once = [""] * len(lengths), max(1, _ROWS // beams)
        for part in (order[i : i + at_once] for i in range(0, len(order), at_once)):
            decoding = self._open(outputs, np.array(part), np.array([lengths[b] for b in part]))
            if beams == 1:
                found = yield from self._growing(greedy(decoding, terms), part, partial)
            else:
                wide = beam(decoding, terms, beams=beams, length_penalty=self.length_penalty)
                found = yield from self._growing(wide, part, False)
            for b, ids in zip(part, found, strict=True):
                texts[b] = self.pieces.decode(ids)
        return texts

    def _open(self, outputs: Arrays, rows: np.ndarray, lengths: np.ndarray) -> Decoding:
        """Nothing written yet; what is read is cut to the longest of the rows."""
        most = int(lengths.max())
        memory = [
            tuple(self.output(outputs, f"memory.{n}.{i}", None, None, None, None)[rows, :, :most] for n in "kv")
            for i in range(self.layers)
        ]
        mask = np.where(np.arange(most) < lengths[:, None], np.float32(0), HIDDEN)
        return Decoding(self.step, [(keys, values) for keys, values in memory], mask)

    def _growing(
        self, steps: Generator[np.ndarray | None, None, list[list[int]]], part: Sequence[int], partial: bool
    ) -> Generator[Mapping[int, str], None, list[list[int]]]:
        """The steps of a search, those of a greedy one with the texts so far of the sources in ``part``."""
        while True:
            try:
                tokens = next(steps)
            except StopIteration as end:
                found: list[list[int]] = end.value
                return found
            known = {}
            if partial and tokens is not None:
                for b, ids in zip(part, tokens.tolist(), strict=True):
                    known[b] = self.pieces.decode(until(END, ids))
            yield known


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
