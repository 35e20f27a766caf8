"""curve: what a task scores and how long its rows take, from leaving at the first exit to never leaving early."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unisono.deploy.exits import Early, Examples
from unisono.heads import Prediction
from unisono.model import MultiTaskModel
from unisono.trunk import layers_of

LEVELS = (0.0, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.01)  # the first: all leave at once; the last: none leaves


def curve(
    model: Early,
    task: str,
    rows: Sequence[Mapping[str, Any]],
    examples: Examples,
    *,
    batch: int = 32,
    rounds: int = 3,
    levels: Sequence[float] = LEVELS,
    on_pass: Callable[[str, int], Any] = lambda task, rows: None,
) -> dict[str, Any]:
    """Scores and times of the same rows at each level of confidence, and of the model as it is without exits.

    Each round asks all of them in turn, so that what else the machine does falls on all alike; time is the processor's,
    and its ratio to that of the whole model is taken within a round.

    Args:
        rows: with their labels; ``examples``: the same, encoded, in the same order.
        batch: rows asked at once.

    Returns:
        Plain JSON: ``whole`` and ``points``, the latter with ``confident``, ``score``, ``layers`` (the mean number that
        rows take), ``left`` (number of layers -> share of the rows), ``milliseconds`` a row, and ``time`` (that of the
        whole model is 1).
    """
    kind, taken = model.tasks[task].kind, {level: list[float]() for level in (None, *levels)}
    said: dict[float | None, list[Prediction]] = {}
    for level in taken:  # the first call of anything is slow
        _asked(model, task, examples[:batch], level, batch)
    for _ in range(rounds):
        for level in taken:
            begin = time.process_time()
            said[level] = _asked(model, task, examples, level, batch)
            taken[level].append((time.process_time() - begin) / len(examples))
            on_pass(task, len(examples))
    points, metric = [], ""
    for level, times in taken.items():
        scores = kind.score(said[level], rows)
        metric = model.tasks[task].main(scores) or metric
        left = Counter(p.get("layers", len(layers_of(model.trunk.encoder))) for p in said[level])
        points.append(
            {
                "confident": level,
                "score": scores.get(metric),
                "layers": sum(layer * count for layer, count in left.items()) / len(examples),
                "left": {str(layer): count / len(examples) for layer, count in sorted(left.items())},
                "milliseconds": 1000 * statistics.median(times),
                "time": statistics.median(a / b for a, b in zip(times, taken[None], strict=True)),
            }
        )
    return {
        "task": task, "metric": metric, "rows": len(examples), "batch": batch,
        "exits": list(model.exits[task].heads), "whole": points[0], "points": points[1:],
    }  # fmt: skip


def _asked(model: Early, task: str, examples: Examples, level: float | None, batch: int) -> list[Prediction]:
    out: list[Prediction] = []
    model.confident = 2.0 if level is None else level
    for at in range(0, len(examples), batch):
        part = examples[at : at + batch]
        if level is None:
            out += MultiTaskModel.predict_examples(model, task, part)
        else:
            out += model.predict_examples(task, part)
    return out
