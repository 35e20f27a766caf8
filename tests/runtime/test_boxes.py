"""Boxes of guesses: overlaps against counted squares, the choice among boxes against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from unisono.runtime.boxes import iou, of_patches, of_queries, suppressed

PLAIN = {"threshold": 0.05, "most": 100}


def random_boxes(count: int, seed: int, side: int = 12) -> np.ndarray:
    draw = np.random.default_rng(seed)
    start = draw.integers(0, side - 1, (count, 2))
    return np.concatenate([start, start + draw.integers(1, side // 2, (count, 2))], 1).astype(np.float32)


def squares(box: np.ndarray) -> set[tuple[int, int]]:
    x0, y0, x1, y1 = (int(v) for v in box)
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


def test_overlaps_are_those_of_counted_squares():
    a, b = random_boxes(30, 0), random_boxes(20, 1)
    found = iou(a, b)
    for i, j in np.ndindex(30, 20):
        ours, theirs = squares(a[i]), squares(b[j])
        assert found[i, j] == pytest.approx(len(ours & theirs) / len(ours | theirs))


@pytest.mark.parametrize("most", [1, 5, 100])
def test_of_boxes_that_overlap_the_best_stays(most):
    for seed in range(20):
        boxes, classes = random_boxes(30, seed), np.arange(30) % 2
        kept: list[int] = []
        for i in range(30):
            if all(classes[i] != classes[j] or iou(boxes[[i]], boxes[[j]]).item() <= 0.31 for j in kept):
                kept.append(i)
        assert suppressed(boxes, classes, 0.31, most).tolist() == kept[:most]
    assert suppressed(np.zeros((0, 4)), np.zeros(0, int), 0.5, most).tolist() == []


def test_a_patch_says_where_its_box_is():
    """Two patches down, three across, of an image of 20 by 60 pixels: one sees an object."""
    logits, centred = np.full((6, 2), -9.0), np.full(6, 9.0)
    logits[4, 1] = 9.0  # the middle of it is at (30, 15); distances are in patches of 20 by 10 pixels
    sides = np.tile(np.array([0.5, 1.0, 0.25, 0.2], np.float32), (6, 1))
    found = of_patches(logits, sides, centred, (2, 3, 20, 60), overlap=0.5, **PLAIN)
    assert found.classes.tolist() == [1]
    assert np.allclose(found.boxes, [[20, 5, 35, 17]])
    assert found.listed("ab")[0]["label"] == "b"
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-9)))


def test_boxes_end_where_the_image_ends():
    found = of_patches(np.full((1, 1), 5.0), np.full((1, 4), 3.0), np.zeros(1), (1, 1, 8, 4), overlap=0.5, **PLAIN)
    assert found.boxes.tolist() == [[0, 0, 4, 8]]
    found = of_queries(np.array([[5.0, 0.0]]), np.array([[0.5, 0.5, 3.0, 3.0]]), (8, 4), **PLAIN)
    assert found.boxes.tolist() == [[0, 0, 4, 8]]


def test_queries_that_see_none_say_nothing_and_the_best_come_first():
    logits = np.log(np.array([[0.2, 0.3, 0.5], [0.01, 0.02, 0.97], [0.7, 0.1, 0.2]]))
    boxes = np.array([[0.5, 0.5, 0.2, 0.4], [0.5] * 4, [0.25, 0.5, 0.5, 1.0]])
    found = of_queries(logits, boxes, (10, 20), **PLAIN)
    assert found.classes.tolist() == [0, 1]
    assert np.allclose(found.scores, [0.7, 0.3])
    assert np.allclose(found.boxes, [[0, 0, 10, 10], [8, 3, 12, 7]])
    assert len(of_queries(logits, boxes, (10, 20), threshold=0.05, most=1).scores) == 1
