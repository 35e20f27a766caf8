"""Scores of numbers for pixels, as of depth: errors, absolute and relative, and the variance that is explained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled
from unisono.pictures import values


def score_dense(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares predicted values with the rows' ``mask``, pixel by pixel at the mask's own size, all rows together.

    ``rmse`` and ``mae`` are in the units of the mask; ``abs_rel`` is the mean error as a share of the value, over
    pixels whose value is positive (Eigen et al. 2014); ``r2`` is 1 less the squared error as a share of the variance.
    Pixels that are not finite, or of a value that the prediction calls void, count nowhere. ``rows`` counts the rows
    with a mask.
    """
    pairs = labelled(predictions, rows, "mask")
    if not pairs:
        return {}
    count = square = absolute = relative = 0.0
    positive = total = total_square = 0.0
    for prediction, mask in pairs:
        gold = values(mask).astype(np.float64)
        known = np.isfinite(gold) & ~np.isin(gold, prediction["void"])
        gold, error = gold[known], np.abs(_enlarged(prediction, gold.shape)[known] - gold[known])
        above = gold > 0
        count, positive = count + gold.size, positive + int(above.sum())
        square, absolute = square + float((error**2).sum()), absolute + float(error.sum())
        relative += float((error[above] / gold[above]).sum())
        total, total_square = total + float(gold.sum()), total_square + float((gold**2).sum())
    if not count:
        return {"rows": float(len(pairs))}
    spread = total_square - total**2 / count
    return {
        "rmse": (square / count) ** 0.5,
        "mae": absolute / count,
        **({"abs_rel": relative / positive} if positive else {}),
        "r2": 1 - square / spread if spread > 0 else 0.0,
        "rows": float(len(pairs)),
    }


def _enlarged(prediction: Prediction, size: tuple[int, ...]) -> np.ndarray:
    """(H, W) a prediction's values at another size, bilinear."""
    from PIL import Image

    found = np.array(prediction["values"], np.float32).reshape(prediction["size"])
    plain = Image.fromarray(found)
    return np.asarray(plain.resize((size[1], size[0]), Image.Resampling.BILINEAR), np.float64)
