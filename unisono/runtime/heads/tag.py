"""tag: one tag for each word, and the entities that the tags spell. What it says always keeps to the tag scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import numpy as np

from ..inputs import Inputs
from ..pack import Pack
from ..questions import Prediction, Row
from ..scheme import Name, Scheme, parse
from ..viterbi import viterbi
from .base import Arrays, Example, Head, Run


class Tag(Head):
    """``logits`` (W, V) of the words that were seen -> ``{"tags"}``, one per word, and for schemes of entities
    ``{"entities": [{"type", "start", "end"}]}`` in word numbers, ``end`` exclusive.
    """

    roles = ("tokens",)
    words = True

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        tags = said.texts("tags", least=1)
        name = cast(Name, said.text("scheme", get_args(Name)))
        if name != "plain" and any(parse(tag) is None for tag in tags):
            raise said.wrong("tags", f"tags of the scheme {name}")
        self.scheme, count = Scheme(name, tags), len(tags)
        self.names = np.array(tags, dtype=object)
        self.unseen = said.whole("unseen", 0, count - 1)
        self.learned = said.has("crf")
        shapes = {"follow": (count, count), "first": (count,), "last": (count,)}
        rules = {"follow": self.scheme.allowed, "first": self.scheme.first, "last": self.scheme.last}
        zero = {each: np.zeros(shape, np.float32) for each, shape in shapes.items()}
        scores = (
            {each: said.within("crf").array(each, shape) for each, shape in shapes.items()} if self.learned else zero
        )
        self.rules = tuple(np.where(rules[each], scores[each], np.float32(-np.inf)) for each in shapes)
        # What is thought of a word that has no token: it is outside, or goes on with an entity that goes on after it.
        self.blank = 0.5 * self.scheme.inside.astype(np.float32)
        self.blank[self.unseen] = 1.0

    def examples(self, inputs: Inputs, rows: Sequence[Row]) -> Sequence[list[Example] | str]:
        return [[example] for example in inputs.text.tokens(rows, words=True, most=self.task.max_length)]

    def index(self, pack: Pack, numbers: Sequence[int], examples: Sequence[Example]) -> np.ndarray:
        """The first token of each word; where none has any, one token that no word asks for: no index is empty."""
        places = [e["words"][e["words"] >= 0] + pack.starts[n] for n, e in zip(numbers, examples, strict=True)]
        index = np.concatenate(places).astype(np.int64)
        return index if len(index) else np.zeros(1, np.int64)

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        logits = self.output(outputs, "logits", None, len(self.names))
        counts = np.array([len(e["words"]) for e in examples])
        seen = np.concatenate([e["words"] for e in examples]) >= 0
        sentence = np.repeat(np.arange(len(counts)), counts)
        word = np.arange(len(seen)) - (np.cumsum(counts) - counts)[sentence]
        lengths = np.zeros(len(counts), np.int64)  # up to the last word that was seen
        np.maximum.at(lengths, sentence[seen], word[seen] + 1)
        tags = np.full(len(seen), self.unseen)
        if lengths.any():
            grid = np.tile(self.blank, (len(counts), int(lengths.max()), 1))  # (B, S, V)
            grid[sentence[seen], word[seen]] = logits
            path = self._decode(grid, lengths)
            reached = word < lengths[sentence]
            tags[reached] = path[sentence[reached], word[reached]]
        names, ends = self.names[tags].tolist(), np.cumsum(counts).tolist()
        out: list[Prediction] = [{"tags": names[end - n : end]} for n, end in zip(counts.tolist(), ends, strict=True)]
        if not self.scheme.plain:
            for prediction, n, end in zip(out, counts.tolist(), ends, strict=True):
                prediction["entities"] = self._entities(tags[end - n : end])
        return out

    def _decode(self, grid: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, S, V) -> (B, S), the best sequences that keep to the scheme."""
        if self.learned:
            return viterbi(grid, lengths, *self.rules)
        best: np.ndarray = grid.argmax(-1)
        broken = [b for b, n in enumerate(lengths.tolist()) if not self.scheme.valid(best[b, :n])]
        if broken:
            scores = (
                grid[broken]
                - np.log(np.exp(grid[broken] - (top := grid[broken].max(-1, keepdims=True))).sum(-1, keepdims=True))
                - top
            )
            best[broken] = viterbi(scores, lengths[broken], *self.rules)
        return best

    def _entities(self, tags: np.ndarray) -> list[dict[str, Any]]:
        """The entities of one sentence."""
        if not len(tags):
            return []
        start, end = self.scheme.spans(tags, np.arange(len(tags)) == 0)
        types = self.scheme.types[tags[start]].tolist()
        return [{"type": t, "start": a, "end": b} for t, a, b in zip(types, start.tolist(), end.tolist(), strict=True)]
