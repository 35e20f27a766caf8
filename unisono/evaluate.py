"""Evaluate: a model over a split -> predictions and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unisono.data import Examples, Rows
from unisono.heads import Prediction
from unisono.metrics import METRICS
from unisono.model import MultiTaskModel
from unisono.packed import passes

HUNDRED = frozenset({"bleu", "chrf"})  # metrics that run from 0 to 100; the others run to 1


@dataclass(frozen=True)
class Result:
    """One task over one split.

    Args:
        scores: metric -> value, over the rows that have a label.
        predictions: one a row, in the order of the rows.
        source: the row number of each prediction.
        split: which split it was.
    """

    scores: dict[str, float]
    predictions: list[Prediction]
    source: list[int]
    split: str = ""


Gather = Callable[[list[tuple[int, Prediction]]], list[tuple[int, Prediction]]]


def evaluate(
    model: MultiTaskModel,
    task: str,
    rows: Rows,
    examples: Examples,
    *,
    split: str = "",
    tokens_per_batch: int = 4096,
    limit: int | None = None,
    rank: int = 0,
    world: int = 1,
    gather: Gather | None = None,
    on_pass: Callable[[int], Any] | None = None,
    **options: Any,
) -> Result:
    """Predicts and scores one task.

    Args:
        split: its name, for the result.
        limit: only this many rows, evenly spread over the split.
        rank, world, gather: this process's part of the packs, and what brings all processes' predictions together.
        on_pass: called with the number of examples done after each pack.
        options: of the head's ``predict``, such as ``beams=1``.
    """
    owners = np.unique(examples.source)  # rows; of one, there may be several examples
    chosen = np.flatnonzero(np.isin(examples.source, owners[_spread(len(owners), limit)])).tolist()
    lengths = [int(examples.lengths[i]) for i in chosen]
    found: list[tuple[int, Prediction]] = []
    for number, at in enumerate(passes(lengths, tokens_per_batch)):
        if number % world != rank:
            continue
        places = [chosen[i] for i in at]
        predictions = model.predict_examples(task, [examples[i] for i in places], **options)
        found.extend(zip(places, predictions, strict=True))
        if on_pass:
            on_pass(len(places))
    found = sorted(gather(found) if gather else found, key=lambda pair: pair[0])
    owner = [int(examples.source[place]) for place, _ in found]
    merged = list(model.merged(task, owner, [prediction for _, prediction in found], rows.__getitem__))
    source, predictions = [row for row, _ in merged], [prediction for _, prediction in merged]
    scores = model.tasks[task].kind.score(predictions, _Golds(rows, source))
    return Result(scores, predictions, source, split)


def main_scores(model: MultiTaskModel, results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Each task's main metric as a fraction of which more is better, so that tasks can be averaged; a task that has
    none is left out. A score s of which less is better (an error rate, a distance) stands as 1 / (1 + s).
    """
    out = {}
    for task, scores in results.items():
        metric = model.tasks[task].main(scores)
        if metric:
            score = scores[metric] / (100 if metric in HUNDRED else 1)
            out[task] = score if METRICS.get(metric, True) else 1 / (1 + score)  # a plug-in's own: more is better
    return out


def _spread(count: int, limit: int | None) -> list[int]:
    if limit is None or limit >= count:
        return list(range(count))
    return [i * count // limit for i in range(limit)]


class _Golds(Sequence[Any]):
    """The rows behind the predictions, read one at a time."""

    def __init__(self, rows: Rows, source: list[int]) -> None:
        self.rows, self.source = rows, source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, at: Any) -> Any:
        return self.rows[self.source[at]]

    def __iter__(self) -> Iterator[Any]:
        return (self.rows[i] for i in self.source)
