"""Scores of numbers: Pearson and Spearman correlation, root mean squared and mean absolute error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled


def score_numbers(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``value`` with the rows' ``label``.

    ``pearson`` and ``spearman`` lie between -1 and 1, and are 0 where a side is constant (there is nothing to follow);
    ``rmse`` and ``mae`` are in the units of the label. ``rows`` counts the rows with a label; without any, no scores.
    """
    pairs = [(p["value"], float(g)) for p, g in labelled(predictions, rows, "label") if not math.isnan(float(g))]
    if not pairs:
        return {}
    from scipy.stats import rankdata

    said, gold = np.array(pairs, dtype=np.float64).T
    return {
        "pearson": _correlation(said, gold),
        "spearman": _correlation(rankdata(said), rankdata(gold)),
        "rmse": float(np.sqrt(np.mean((said - gold) ** 2))),
        "mae": float(np.mean(np.abs(said - gold))),
        "rows": float(len(pairs)),
    }


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))
