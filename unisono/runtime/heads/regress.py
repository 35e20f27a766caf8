"""regress: one number for an input, or several that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..questions import Prediction
from .base import Arrays, Example, Head, Run


class Regress(Head):
    """``values`` (B,) in deviations from the mean -> ``{"value"}`` in the units of the training targets."""

    roles = ("text", "pair")

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        self.mean, self.deviation = self.task.decode.number("mean"), self.task.decode.number("deviation")

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        values = self.output(outputs, "values", len(examples)).tolist()
        return [{"value": value * self.deviation + self.mean} for value in values]
