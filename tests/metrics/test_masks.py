"""Scores of masks against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from unisono.metrics import score_masks
from unisono.metrics.masks import drawn
from unisono.runtime.masks import runs

pytest.importorskip("PIL")


def pgm(mask: np.ndarray) -> dict[str, bytes]:
    return {"bytes": b"P5\n%d %d\n255\n" % mask.shape[::-1] + mask.astype(np.uint8).tobytes()}


def said(mask: np.ndarray, void: list[int] | None = None) -> dict:
    return {"size": list(mask.shape), "runs": runs(mask), "names": {"1": "road"}, "void": void or []}


def test_runs_are_undone():
    for seed in range(20):
        mask = np.random.default_rng(seed).integers(0, 3, (4, 5))
        np.testing.assert_array_equal(drawn(said(mask)), mask)
        assert all(a[0] != b[0] for a, b in zip(runs(mask), runs(mask)[1:], strict=False))


def test_scores_are_those_of_a_plain_count():
    rng = np.random.default_rng(0)
    golds = [rng.integers(0, 4, (6, 7)) for _ in range(3)]
    guesses = [np.where(rng.random(g.shape) < 0.6, g, rng.integers(0, 4, g.shape)) for g in golds]
    found = score_masks([said(g, [3]) for g in guesses], [{"mask": pgm(g)} for g in golds])
    pairs = [(a, b) for g, s in zip(golds, guesses, strict=True) for a, b in zip(g.flat, s.flat, strict=True) if a != 3]
    ious = []
    for c in sorted({x for pair in pairs for x in pair}):
        both = sum(a == c and b == c for a, b in pairs)
        ious.append(both / sum(c in (a, b) for a, b in pairs))
    assert found["pixel_accuracy"] == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    assert found["miou"] == pytest.approx(np.mean(ious))
    assert found["iou/road"] == pytest.approx(ious[1])
    assert found["rows"] == 3


def test_a_prediction_of_another_size_is_brought_to_the_masks():
    small = np.array([[0, 1], [1, 0]])
    large = np.repeat(np.repeat(small, 5, 0), 5, 1)
    assert score_masks([said(small)], [{"mask": pgm(large)}])["miou"] == 1.0


def test_rows_without_a_mask_count_nowhere():
    mask = np.zeros((2, 2), int)
    assert score_masks([said(mask), said(mask)], [{"mask": None}, {"mask": pgm(mask)}])["rows"] == 1
    assert score_masks([said(mask)], [{}]) == {}
    assert score_masks([said(mask, [0])], [{"mask": pgm(mask)}]) == {"rows": 1.0}
