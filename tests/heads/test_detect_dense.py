"""detect, dense: what patches are told of boxes, and what becomes of bad ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from unisono.heads import UnfitRow
from unisono.heads.detect import Detect, DetectOptions
from unisono.heads.detect_dense import DetectDense
from unisono.packed import Layout, Packed
from unisono.views import view

GRID = {"grid": np.array([6, 8, 48, 64], np.int32)}  # patches of 8 x 8 pixels


def head(**options) -> DetectDense:
    torch.manual_seed(0)
    return DetectDense(8, DetectOptions(**options), {"labels": ["cell", "dust"]}).eval()


def cell(*box: float, label: str = "cell") -> dict:
    return {"label": label, "box": list(box)}


def targets(made: Detect, row: dict, **drawn: np.ndarray) -> dict[str, torch.Tensor]:
    return made.collate([{**GRID, **made.encode(row, GRID), **drawn}])


def test_patches_stand_for_the_objects_that_lie_there():
    found = targets(head(radius=1.0), {"boxes": [cell(8, 8, 40, 40, label="dust")]})
    classes = found["classes"].view(6, 8)
    assert {(y, x) for y, x in classes.eq(1).nonzero().tolist()} == {(2, 2), (2, 3), (3, 2), (3, 3)}
    assert (classes != 1).sum() == (classes == -1).sum()
    assert_close(found["sides"].view(6, 8, 4)[2, 3], torch.tensor([2.5, 1.5, 1.5, 2.5]))  # left, top, right, bottom


def test_no_object_and_no_label_are_two_things():
    assert set(targets(head(), {"boxes": []})["classes"].tolist()) == {-1}
    assert set(targets(head(), {})["classes"].tolist()) == {-100}


@pytest.mark.parametrize("decoded", [{"boxes": [cell(3, 4, 30, 20), cell(40, 8, 60, 44, label="dust")]}, {"boxes": []}])
def test_the_mirror_image_with_its_boxes_costs_the_same_as_its_own_labels(decoded):
    """Boxes that follow a mirrored view are the boxes of the mirrored image."""
    made, states = head(), Packed(torch.randn(49, 8), Layout([49]))
    mirrored = view((48, 64), mirror=True, quarters=0, scale=1.0, right=0.0, down=0.0)
    turned = [{**b, "box": [64 - b["box"][2], b["box"][1], 64 - b["box"][0], b["box"][3]]} for b in decoded["boxes"]]
    followed, plain = targets(made, decoded, view=mirrored), targets(made, {"boxes": turned})
    assert torch.equal(followed["classes"], plain["classes"])
    assert_close(made.loss(states, followed).total, made.loss(states, plain).total)


def test_only_what_has_no_up_is_turned():
    assert "turn" not in head().encode({}, GRID)
    assert "turn" in head(turn=True).encode({}, GRID)


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
