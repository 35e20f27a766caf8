"""evaluate: scores of several tasks as fractions of which more is better, whatever their metrics are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from unisono.evaluate import main_scores
from unisono.metrics import METRICS


def turned(metric: str, score: float) -> float:
    task = SimpleNamespace(main=lambda scores: metric if metric in scores else None)
    model: Any = SimpleNamespace(tasks={"task": task})
    return main_scores(model, {"task": {metric: score}})["task"]


@pytest.mark.parametrize("metric", [name for name, higher in METRICS.items() if higher is not None])
def test_a_better_score_is_a_higher_fraction(metric):
    better, worse = turned(metric, 0.9), turned(metric, 0.1)
    assert (better > worse) is METRICS[metric]


def test_scores_of_100_and_scores_that_nobody_knows():
    assert turned("bleu", 30.0) == pytest.approx(0.3)
    assert turned("of_a_plug_in", 0.7) == 0.7
    assert turned("rmse", 3.0) == 0.25 and turned("cer", 0.0) == 1.0


def test_a_task_without_its_metric_is_left_out():
    model: Any = SimpleNamespace(tasks={"task": SimpleNamespace(main=lambda scores: None)})
    assert main_scores(model, {"task": {}}) == {}
