"""classify: one label, or several, for an input, or several that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..logits import sigmoid, softmax
from ..questions import Prediction
from .base import Arrays, Example, Head, Run


class Classify(Head):
    """``logits`` (B, V) -> ``{"label", "score", "scores"}``, with ``multi`` ``{"labels", "scores"}``."""

    roles = ("text", "pair")

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        self.labels = said.texts("labels", least=1)
        self.multi, self.threshold = said.flag("multi"), said.number("threshold")

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        logits = self.output(outputs, "logits", len(examples), len(self.labels))
        if self.multi:
            each = [dict(zip(self.labels, row, strict=True)) for row in sigmoid(logits).tolist()]
            return [
                {"labels": [n for n, p in scores.items() if p >= self.threshold], "scores": scores} for scores in each
            ]
        scores = softmax(logits)
        return [
            {"label": self.labels[best], "score": row[best], "scores": dict(zip(self.labels, row, strict=True))}
            for best, row in zip(scores.argmax(-1).tolist(), scores.tolist(), strict=True)
        ]
