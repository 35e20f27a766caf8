"""detect, dense: what patches are told of boxes, and what becomes of bad ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unisono.heads import UnfitRow
from unisono.heads.detect import Detect, DetectOptions
from unisono.heads.detect_dense import DetectDense
from unisono.packed import Layout, Packed

GRID = {"grid": np.array([6, 8, 48, 64], np.int32)}  # patches of 8 x 8 pixels


def head(**options) -> DetectDense:
    torch.manual_seed(0)
    return DetectDense(8, DetectOptions(**options), {"labels": ["cell", "dust"]}).eval()


def cell(*box: float, label: str = "cell") -> dict:
    return {"label": label, "box": list(box)}


def test_patches_near_the_middle_of_an_object_stand_for_it():
    found = head(radius=1.0).encode({"boxes": [cell(8, 8, 40, 40)]}, GRID)
    classes, sides = found["classes"].reshape(6, 8), found["sides"].reshape(6, 8, 4)
    assert {(y, x) for y, x in np.argwhere(classes == 0).tolist()} == {(2, 2), (2, 3), (3, 2), (3, 3)}
    np.testing.assert_allclose(sides[2, 3], [2.5, 1.5, 1.5, 2.5])  # left, top, right, bottom, in patches


def test_of_two_objects_at_a_patch_the_smaller_is_meant():
    for boxes in ([cell(0, 0, 64, 48), cell(24, 16, 40, 32, label="dust")],):
        for order in (boxes, boxes[::-1]):
            classes = head().encode({"boxes": order}, GRID)["classes"].reshape(6, 8)
            assert classes[2, 3] == 1


def test_an_object_smaller_than_a_patch_is_not_lost():
    found = head().encode({"boxes": [cell(9, 9, 11, 11)]}, GRID)
    assert (found["classes"] >= 0).sum() == 1
    assert found["classes"].reshape(6, 8)[1, 1] == 0
    assert (found["sides"].reshape(-1, 4)[found["classes"] >= 0] > 0).all()


def test_no_object_and_no_label_are_two_things():
    assert set(head().encode({"boxes": []}, GRID)["classes"].tolist()) == {-1}
    assert set(head().encode({}, GRID)["classes"].tolist()) == {-100}


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([cell(0, 0, 8, 8, label="cel")], 'did you mean "cell"'),
        ([cell(8, 0, 8, 8)], "without an area"),
        ([cell(0, 0, float("nan"), 8)], "without an area"),
    ],
)
def test_boxes_that_cannot_be_learned_have_a_reason(boxes, reason):
    with pytest.raises(UnfitRow, match=reason):
        head().encode({"boxes": boxes}, GRID)


def test_labels_are_those_of_the_training_rows():
    rows = [{"boxes": [cell(0, 0, 1, 1, label="b"), cell(0, 0, 1, 1, label="a")]}, {"boxes": None}, {"boxes": []}]
    assert Detect.fit(rows, DetectOptions()) == {"labels": ["a", "b"]}
    with pytest.raises(ValueError, match="no training row has a box"):
        Detect.fit(rows[1:], DetectOptions())


def test_boxes_lie_in_the_image_best_first_and_are_bounded():
    made = head(threshold=0.0, most=7, overlap=1.0)
    example = {**GRID, **made.encode({}, GRID)}
    (found,) = made.predict(Packed(3 * torch.randn(49, 8), Layout([49])), made.collate([example]))
    assert len(found["boxes"]) == 7
    scores = [b["score"] for b in found["boxes"]]
    assert scores == sorted(scores, reverse=True)
    boxes = np.array([b["box"] for b in found["boxes"]])
    assert (boxes >= 0).all()
    assert (boxes[:, 2] <= 64).all()
    assert (boxes[:, 3] <= 48).all()
