"""speaker: whose voice a recording is, of those known, and a vector of it that is compared with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..logits import softmax
from ..questions import Prediction
from .base import Arrays, Example, Head, Run


class Speaker(Head):
    """``logits`` (B, V) and ``vectors`` (B, E) of length 1 -> ``{"label", "score", "scores", "vector"}``."""

    roles = ("audio",)

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        self.labels = self.task.decode.texts("labels", least=1)

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        scores = softmax(self.output(outputs, "logits", len(examples), len(self.labels)))
        vectors = self.output(outputs, "vectors", len(examples), None)
        return [
            {"label": self.labels[i], "score": row[i], "scores": dict(zip(self.labels, row, strict=True)), "vector": v}
            for i, row, v in zip(scores.argmax(-1).tolist(), scores.tolist(), vectors.tolist(), strict=True)
        ]
