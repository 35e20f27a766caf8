"""The area under the ROC curve against scikit-learn, with ties and with labels that are not known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from unisono.metrics import higher_is_better, score_labels
from unisono.metrics.roc import roc_auc

ROWS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=60)
@given(ROWS)
def test_the_area_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, holds = (np.array(side) for side in zip(*rows, strict=True))
    if len(set(holds.tolist())) == 1:
        assert roc_auc(scores, holds) is None
    else:
        assert roc_auc(scores, holds) == pytest.approx(roc_auc_score(holds, scores))


def test_between_two_labels() -> None:
    said = [{"label": "1", "scores": {"0": 1 - p, "1": p}} for p in (0.9, 0.2, 0.6, 0.7)]
    rows = [{"label": g} for g in ("1", "0", "0", None)]
    assert score_labels(said, rows)["roc_auc"] == 1.0 and higher_is_better("roc_auc/NR-AR")
    assert "roc_auc" not in score_labels(said, [{"label": "1"}] * 4), "nothing to tell apart"


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_the_mean_over_labels_leaves_gaps_out(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores, holds, known = draw.random((30, 3)).round(1), draw.random((30, 3)) < 0.4, draw.random((30, 3)) < 0.7
    names = ["a", "b", "c"]
    said = [{"labels": [], "scores": dict(zip(names, row.tolist(), strict=True))} for row in scores]
    gold = [
        {"label": {n: bool(h) if k else None for n, h, k in zip(names, hold, know, strict=True)}}
        for hold, know in zip(holds, known, strict=True)
    ]
    told = {
        n: roc_auc_score(holds[known[:, i], i], scores[known[:, i], i])
        for i, n in enumerate(names)
        if len(set(holds[known[:, i], i].tolist())) == 2
    }
    found = score_labels(said, gold)
    assert {n: found[f"roc_auc/{n}"] for n in told} == pytest.approx(told)
    assert found["roc_auc"] == pytest.approx(np.mean(list(told.values())))
