"""segment: what becomes of masks, good and bad."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unisono.heads import UnfitRow
from unisono.heads.segment import Segment, SegmentOptions
from unisono.packed import Layout, Packed
from unisono.views import view

pytest.importorskip("PIL")

GRID = {"grid": np.array([2, 3, 8, 12], np.int32)}


def pgm(mask: np.ndarray) -> dict[str, bytes]:
    return {"bytes": b"P5\n%d %d\n255\n" % mask.shape[::-1] + mask.astype(np.uint8).tobytes()}


def head(numbers=(0, 5, 7), **options) -> Segment:
    return Segment(8, SegmentOptions(**{"doublings": 1, **options}), {"numbers": list(numbers)}).eval()


def test_the_numbers_are_those_of_the_training_masks():
    rows = [{"mask": pgm(np.array([[0, 5], [7, 5]]))}, {"mask": None}, {"mask": {"bytes": b"junk"}}]
    assert Segment.fit(rows, SegmentOptions()) == {"numbers": [0, 5, 7]}
    assert Segment.fit(rows, SegmentOptions(void=(5,))) == {"numbers": [0, 7]}
    assert Segment.fit(rows, SegmentOptions(names={1: "a", 2: "b"})) == {"numbers": [1, 2]}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([], "no training row has a mask"), ([{"mask": pgm(np.zeros((2, 2)))}], "nothing to tell apart")],
)
def test_masks_that_teach_nothing(rows, reason):
    with pytest.raises(ValueError, match=reason):
        Segment.fit(rows, SegmentOptions())


def test_targets_are_places_among_the_numbers_and_strange_numbers_are_no_label():
    mask = np.repeat(np.repeat(np.array([[0, 5, 7, 9, 0, 0]] * 4), 2, 0), 2, 1)
    found = head().encode({"mask": pgm(mask)}, GRID)
    np.testing.assert_array_equal(found["mask"].reshape(4, 6)[0], [0, 1, 2, 255, 0, 0])
    assert head().units(head().collate([{**GRID, **found}])) == 20
    assert (head().encode({}, GRID)["mask"] == 255).all()


@pytest.mark.parametrize(
    ("mask", "reason"),
    [({"bytes": b"junk"}, "the mask: not an image"), (pgm(np.zeros((12, 8))), "proportions"), (7, "a file's name")],
)
def test_a_mask_that_cannot_be_used_has_a_reason(mask, reason):
    with pytest.raises(UnfitRow, match=reason):
        head().encode({"mask": mask}, GRID)


@pytest.mark.parametrize("resolution", [0, 1, 2])
def test_a_mask_follows_the_view_of_its_image(resolution):
    """What the mirrored view of an image is told is what its mirrored mask tells."""
    mask = np.random.default_rng(0).choice([0, 5, 7, 9], (8, 12))
    made, states = head(doublings=resolution), Packed(torch.randn(7, 8), Layout([7]))
    mirrored = view((8, 12), mirror=True, quarters=0, scale=1.0, right=0.0, down=0.0)
    followed = made.collate([{**GRID, **made.encode({"mask": pgm(mask)}, GRID), "view": mirrored}])
    plain = made.collate([{**GRID, **made.encode({"mask": pgm(mask[:, ::-1])}, GRID)}])
    if resolution == 2:  # at a lower one, the middle of a pixel lies between two of the mask
        assert torch.equal(followed["mask"], plain["mask"])
        assert made.loss(states, followed).total == made.loss(states, plain).total
    rows = followed["mask"].view(2 << resolution, 3 << resolution).flip(1)
    assert torch.equal(rows.flatten(), made.collate([{**GRID, **made.encode({"mask": pgm(mask)}, GRID)}])["mask"])


def test_predictions_have_the_size_of_the_image():
    states = Packed(torch.randn(7, 8), Layout([7]))
    example = {**GRID, **head().encode({}, GRID)}
    (found,) = head().predict(states, head().collate([example]))
    assert found["size"] == [8, 12]
    assert sum(n for _, n in found["runs"]) == 96
    assert sum(found["shares"].values()) == pytest.approx(1)


def test_an_enormous_image_gets_a_smaller_mask():
    grid = np.array([2, 3, 40_000, 60_000], np.int32)
    states = Packed(torch.randn(7, 8), Layout([7]))
    (found,) = head().predict(states, head().collate([{"grid": grid, **head().encode({}, {"grid": grid})}]))
    assert found["size"][0] * found["size"][1] <= 1 << 22


def test_the_label_of_a_tile_is_its_part_of_the_mask():
    mask = np.random.default_rng(0).choice([0, 5, 7], (16, 24))
    tile = {**GRID, "tile": np.array([8, 12, 16, 24], np.int32)}
    cut, alone = head(doublings=2).encode({"mask": pgm(mask)}, tile), mask[8:16, 12:24]
    np.testing.assert_array_equal(cut["mask"], head(doublings=2).encode({"mask": pgm(alone)}, GRID)["mask"])
    small = head().encode({"mask": pgm(mask[::2, ::2])}, tile)  # a mask of half the image's size
    np.testing.assert_array_equal(small["mask"], head().encode({"mask": pgm(mask[::2, ::2][4:, 6:])}, GRID)["mask"])
    with pytest.raises(UnfitRow, match="proportions"):
        head().encode({"mask": pgm(mask[:, :16])}, tile)


def test_a_prediction_of_tiles_is_one_of_the_image():
    made = head(tile=32, overlap=8)
    examples = [
        {"grid": np.array([2, 2, 32, 32], np.int32), "tile": np.array([0, left, 32, 56], np.int32)} for left in (0, 24)
    ]
    states = Packed(torch.randn(10, 8), Layout([5, 5]))
    parts = made.predict(states, made.collate([{**e, **made.encode({}, e)} for e in examples]))
    found, (left, right) = made.merge({}, parts), (drawn(part) for part in parts)
    assert found.keys() == head().predict(Packed(torch.randn(7, 8), Layout([7])), head().collate([blank()]))[0].keys()
    np.testing.assert_array_equal(drawn(found), np.concatenate([left[:, :28], right[:, 4:]], 1))
    assert sum(found["shares"].values()) == pytest.approx(1)


def test_tiles_that_hardly_move_are_refused():
    with pytest.raises(ValueError, match="overlap 65 is more than half of tile 128"):
        SegmentOptions(tile=128, overlap=65)


def blank() -> dict[str, np.ndarray]:
    return {**GRID, **head().encode({}, GRID)}


def drawn(prediction) -> np.ndarray:
    values, counts = np.array(prediction["runs"]).T
    return np.repeat(values, counts).reshape(prediction["size"])
