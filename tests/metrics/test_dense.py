"""dense: errors against plain formulas, at the mask's own size, over known pixels alone."""

from __future__ import annotations

import io

import numpy as np
import pytest

from unisono.metrics import score_dense

pytest.importorskip("PIL")


def npy(found: np.ndarray) -> dict[str, bytes]:
    file = io.BytesIO()
    np.save(file, found)
    return {"bytes": file.getvalue()}


def said(found: np.ndarray, void: tuple[float, ...] = ()) -> dict[str, object]:
    return {"size": list(found.shape), "values": found.flatten().tolist(), "void": list(void)}


def test_errors_are_the_formulas_over_known_pixels_of_all_rows():
    rng = np.random.default_rng(0)
    gold, guess = rng.normal(1, 1, (3, 4, 5)).astype(np.float32), rng.normal(1, 1, (3, 4, 5)).astype(np.float32)
    gold[0, 0, 0], gold[1, 2] = np.nan, 9.0
    scores = score_dense([said(g, (9.0,)) for g in guess], [{"mask": npy(g)} for g in gold])
    known = np.isfinite(gold) & (gold != 9)
    error, right = (guess - gold)[known], gold[known]
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert scores["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-5)
    assert scores["abs_rel"] == pytest.approx(np.mean((np.abs(error) / right)[right > 0]), rel=1e-5)
    assert scores["r2"] == pytest.approx(1 - np.mean(error**2) / right.var(), rel=1e-4)
    assert scores["rows"] == 3


def test_a_map_is_compared_at_the_size_of_the_mask():
    small = np.array([[0.0, 4.0]], np.float32)
    large = np.array([[0.0, 1.0, 3.0, 4.0]] * 2, np.float32)  # bilinear between the middles of pixels
    scores = score_dense([said(small)], [{"mask": npy(large)}])
    assert scores["mae"] == pytest.approx(0, abs=1e-6)
    assert scores["r2"] == pytest.approx(1)


def test_nothing_known_is_no_score():
    nothing = np.full((2, 2), np.nan, np.float32)
    assert score_dense([said(np.zeros((1, 1)))], [{"mask": npy(nothing)}]) == {"rows": 1.0}
    assert score_dense([said(np.zeros((1, 1)))], [{"mask": None}]) == {}
