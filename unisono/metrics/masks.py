"""Scores of masks: intersection over union of each class and their mean, and the share of pixels that are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled
from unisono.pictures import nearest, numbers


def score_masks(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares predicted runs with the rows' ``mask``, pixel by pixel at the mask's own size.

    Pixels of all rows count together (Everingham et al. 2010). ``iou/NAME`` is a class's intersection over union,
    ``miou`` the mean over the classes that occur or are predicted, ``pixel_accuracy`` the share of right pixels.
    Pixels of a void number count nowhere. All are fractions; ``rows`` counts the rows with a mask.
    """
    pairs = labelled(predictions, rows, "mask")
    if not pairs:
        return {}
    counts: Counter[tuple[int, int]] = Counter()  # (gold, said) -> pixels
    names: dict[str, str] = {}
    for prediction, mask in pairs:
        gold = numbers(mask)
        said = nearest(drawn(prediction), *gold.shape)
        known = ~np.isin(gold, prediction["void"])
        codes, many = np.unique((gold[known].astype(np.int64) << 32) + said[known], return_counts=True)
        counts.update({(c >> 32, c & 0xFFFFFFFF): n for c, n in zip(codes.tolist(), many.tolist(), strict=True)})
        names.update(prediction["names"])
    if not counts:
        return {"rows": float(len(pairs))}
    classes = sorted({number for pair in counts for number in pair})
    ious = {}
    for number in classes:
        union = sum(n for pair, n in counts.items() if number in pair)
        ious[f"iou/{names.get(str(number), number)}"] = counts[number, number] / union
    return {
        "miou": float(np.mean(list(ious.values()))),
        "pixel_accuracy": sum(counts[n, n] for n in classes) / sum(counts.values()),
        **ious,
        "rows": float(len(pairs)),
    }


def drawn(prediction: Prediction) -> np.ndarray:
    """(h, w) int64: the mask that a prediction's runs stand for."""
    values, lengths = np.array(prediction["runs"], np.int64).T
    return np.repeat(values, lengths).reshape(prediction["size"])
