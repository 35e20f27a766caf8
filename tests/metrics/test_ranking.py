"""Scores of matching against an obvious search, and what counts as found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from unisono.metrics import ranking, score_matches


def said(row: dict[str, Any], vectors: dict[str, Any]) -> dict[str, Any]:
    return {
        "similarity": None,
        "vectors": {role: list(vectors[row[role]]) for role in ("text", "image") if role in row},
    }


def test_ranks_are_those_of_an_obvious_search(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, candidates = rng.normal(size=(23, 5)), rng.normal(size=(17, 5))
    pairs = np.unique(rng.integers(0, (23, 17), size=(30, 2)), axis=0)
    expected = []
    for query in range(23):
        partners = {c for q, c in pairs.tolist() if q == query}
        order = sorted(range(17), key=lambda c: -(queries[query] @ candidates[c]))
        if partners:
            expected.append(1 + sum(c not in partners for c in order[: min(order.index(p) for p in partners)]))
    assert ranking.ranks(queries, candidates, rng.permutation(pairs)).tolist() == expected
    monkeypatch.setattr(ranking, "_AT_ONCE", 40)  # two queries at a time
    assert ranking.ranks(queries, candidates, pairs).tolist() == expected


def test_any_caption_of_an_image_is_found_and_equal_inputs_count_once() -> None:
    rows = [
        {"text": "t0", "image": "i0"},
        {"text": "t1", "image": "i0"},
        {"text": "t2", "image": "i1"},
        {"text": "t2", "image": "i1"},
        {"text": "t3"},  # is only sought among
    ]
    vectors = {"t0": (0, 1), "t1": (1, 0), "t2": (0.6, 0.8), "t3": (0.6, 0.8), "i0": (1, 0), "i1": (0, 1)}
    scores = score_matches([said(row, vectors) for row in rows], rows)
    # i0's nearest is t1; i1's are t0, then t3, which is as near as t2 and counts as nearer.
    assert scores["recall@1/image-text"] == 0.5 and scores["mean_rank/image-text"] == 2
    # t0's nearest is i1, t1's i0, t2's i1; t3 asks nothing.
    assert scores["recall@1/text-image"] == pytest.approx(2 / 3)
    assert scores["recall@1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert scores["recall@5"] == scores["recall@10"] == 1 and scores["rows"] == 4


def test_vectors_that_are_all_alike_find_nothing() -> None:
    rows = [{"text": f"t{i}", "image": f"i{i}"} for i in range(20)]
    scores = score_matches([{"similarity": 1.0, "vectors": {"text": [1.0], "image": [1.0]}} for _ in rows], rows)
    assert scores["recall@10"] == 0 and scores["median_rank"] == 20


def test_scores_make_correlations() -> None:
    gold, similar = [0.0, 2.0, 5.0, 3.0, None], [0.1, 0.4, 0.3, 0.2, 0.9]
    found = score_matches([{"similarity": s, "vectors": {}} for s in similar], [{"score": g} for g in gold])
    assert found["spearman"] == pytest.approx(spearmanr(gold[:4], similar[:4]).statistic)
    assert found["rows"] == 4 and found.keys() == {"pearson", "spearman", "rows"}


def test_without_pairs_no_scores() -> None:
    assert score_matches([{"similarity": None, "vectors": {"text": [1.0]}}], [{"text": "a"}]) == {}
    assert score_matches([], []) == {}
