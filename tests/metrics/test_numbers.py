"""Scores of numbers against SciPy and their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from unisono.metrics import score_numbers


def score(gold: list[Any], said: list[float]) -> dict[str, float]:
    return score_numbers([{"value": s} for s in said], [{"label": g} for g in gold])


def test_agrees_with_scipy_ties_included() -> None:
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 6, 50).astype(float)
    said = gold + rng.normal(size=50).round(1)
    assert score(gold.tolist(), said.tolist()) == pytest.approx(
        {
            "pearson": pearsonr(gold, said).statistic,
            "spearman": spearmanr(gold, said).statistic,
            "rmse": math.sqrt(((gold - said) ** 2).mean()),
            "mae": abs(gold - said).mean(),
            "rows": 50,
        }
    )


@pytest.mark.parametrize(("gold", "said"), [([1.0, 2.0], [3.0, 3.0]), ([1.0], [2.0]), ([2.0, 2.0], [1.0, 2.0])])
def test_correlation_with_a_constant_is_zero(gold: list[float], said: list[float]) -> None:
    scores = score(gold, said)
    assert scores["pearson"] == scores["spearman"] == 0.0
    assert math.isfinite(scores["rmse"])


def test_rows_without_a_number_are_left_out() -> None:
    assert score([1.0, None, math.nan, 2.0], [1.0, 50.0, 50.0, 3.0])["rows"] == 2.0
    assert score([None], [1.0]) == {}
    assert score([], []) == {}
