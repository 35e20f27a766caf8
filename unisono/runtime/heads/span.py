"""span: the piece of a context that answers a question, or that there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..inputs import Inputs
from ..pack import Pack
from ..questions import Prediction, Row
from .base import Arrays, Example, Head, Run

CLOSED = np.float32(-1e4)  # the logit of what is no token of the context: no chance, but finite


class Span(Head):
    """``logits`` (M, 2) of each window's candidates, the first "no answer" -> ``{"text", "start", "end", "score"}``."""

    roles = ("question", "context")

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        self.longest, self.threshold = said.whole("longest", 1, 1 << 16), said.number("threshold")
        self.unanswerable = said.flag("unanswerable")

    def examples(self, inputs: Inputs, rows: Sequence[Row]) -> Sequence[list[Example] | str]:
        return inputs.text.windows(rows, stride=self.task.stride, most=self.task.max_length)

    def index(self, pack: Pack, numbers: Sequence[int], examples: Sequence[Example]) -> np.ndarray:
        """Of each window its first token, then those of the context."""
        parts = []
        for start, example in zip(pack.starts[np.asarray(numbers)].tolist(), examples, strict=True):
            parts += [[start], start + int(example["context"][0]) + np.arange(len(example["begins"]))]
        return np.concatenate(parts).astype(np.int64)

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        """Of each window the best span: its characters in the context, its score, and the score of "no answer"."""
        sizes = [1 + len(e["begins"]) for e in examples]
        logits = self.output(outputs, "logits", sum(sizes), 2)
        out: list[Prediction] = []
        for own, example in zip(np.split(logits, np.cumsum(sizes)[:-1]), examples, strict=True):
            seen = example["begins"] < example["ends"]
            start, end = np.where(seen[:, None], own[1:], CLOSED).T
            score, first, last = best_span(start, end, self.longest)
            begin, after = int(example["begins"][first]), int(example["ends"][last])
            out.append({"start": begin, "end": after, "score": float(score), "none": float(own[0].sum())})
        return out

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """The best span of all windows, and by how much it beats "no answer", which must hold in every window."""
        best = max(parts, key=lambda part: float(part["score"]))
        ahead = best["score"] - min(part["none"] for part in parts)
        if self.unanswerable and ahead <= self.threshold:
            return {"text": "", "start": None, "end": None, "score": ahead}
        start, end = best["start"], best["end"]
        return {"text": row["context"][start:end], "start": start, "end": end, "score": ahead}


def best_span(start: np.ndarray, end: np.ndarray, longest: int) -> tuple[np.float32, int, int]:
    """The span i to j, i <= j < i + longest, with the greatest start[i] + end[j]: its score, first and last token.

    Args:
        start, end: (C,).
    """
    best = start + end
    first = int(best.argmax())
    score, last = best[first], first
    for more in range(1, min(longest, len(start))):
        found = start[: len(start) - more] + end[more:]
        at = int(found.argmax())
        if found[at] > score:
            score, first, last = found[at], at, at + more
    return score, first, last
