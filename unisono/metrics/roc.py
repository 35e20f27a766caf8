"""The area under the ROC curve: how often something that has a label is ranked above something that has not."""

from __future__ import annotations

import numpy as np


def roc_auc(scores: np.ndarray, holds: np.ndarray) -> float | None:
    """The area, 0 to 1, ties counted half; None unless both kinds are there. Hanley and McNeil 1982
    (https://doi.org/10.1148/radiology.143.1.7063747).

    Args:
        scores: (n,) the higher, the likelier.
        holds: (n,) bool.
    """
    from scipy.stats import rankdata

    positive = int(holds.sum())
    negative = len(holds) - positive
    if not positive or not negative:
        return None
    above = rankdata(scores)[holds].sum() - positive * (positive + 1) / 2  # pairs in the right order
    return float(above / (positive * negative))
