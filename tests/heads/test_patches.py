"""patches: what each patch of an image is told of the objects on it, however the image is looked at."""

from __future__ import annotations

import numpy as np

from unisono.heads.patches import NOTHING, UNKNOWN, assigned
from unisono.views import view

GRID = (6, 8)  # patches down and across


def boxes(*sides: tuple[float, float, float, float]) -> np.ndarray:
    """In patches, as ``assigned`` takes them."""
    return np.array(sides, np.float32) / [4, 3, 4, 3] - 1


def moved(**how: float) -> np.ndarray:
    return view((48, 64), **{"mirror": False, "quarters": 0, "scale": 1.0, "right": 0.0, "down": 0.0, **how})


def told(found: np.ndarray, radius: float = 1.5, view: np.ndarray | None = None) -> np.ndarray:
    return assigned(found, np.arange(len(found)), GRID, radius, view)[0].reshape(GRID)


def test_of_two_objects_at_a_patch_the_smaller_is_meant():
    large, small = (0, 0, 8, 6), (3, 2, 5, 4)
    assert told(boxes(large, small))[2, 3] == 1
    assert told(boxes(small, large))[2, 3] == 0


def test_an_object_smaller_than_a_patch_is_not_lost():
    classes, sides = assigned(boxes((1.1, 1.1, 1.3, 1.3)), np.array([7]), GRID, 1.5)
    assert np.argwhere(classes.reshape(GRID) == 7).tolist() == [[1, 1]]
    assert (sides[classes == 7] > 0).all()


def test_objects_move_with_the_view():
    before = told(boxes((1, 1, 4, 4)))
    after = told(boxes((1, 1, 4, 4)), view=moved(right=2 / 8))
    np.testing.assert_array_equal(after[:, 2:], before[:, :-2])


def test_what_mirrors_the_image_beyond_its_edge_is_unknown():
    after = told(boxes((1, 1, 4, 4)), view=moved(right=2 / 8))
    assert (after[:, :2] == UNKNOWN).all()
    shrunk = told(boxes((1, 1, 4, 4)), view=moved(scale=0.5))
    assert (shrunk[0] == UNKNOWN).all()
    assert (shrunk[2:4, 2:6] != UNKNOWN).all()


def test_an_object_that_has_left_the_view_teaches_nothing():
    almost_gone = told(boxes((6, 0, 8, 4)), view=moved(right=1.9 / 8))  # a strip of it is left
    assert (almost_gone != 0).all()
    half = assigned(boxes((5, 0, 7, 4)), np.array([0]), GRID, 1.5, moved(right=2 / 8))
    seen = half[0].reshape(GRID) == 0
    assert seen.any()
    assert (half[1].reshape(*GRID, 4)[seen][:, 2] <= 1).all()  # cut off at the edge of the view
    assert (told(boxes((2, 2, 3, 3)), view=moved(right=6 / 8))[:, 6:] == NOTHING).all()
