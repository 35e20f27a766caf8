"""views: how a picture is looked at for once (mirrored, turned, enlarged, moved), and where what lies on it then lies.

A view is (6,) float32, a b c d e f: its point (x, y) shows the picture's point (ax + by + c, dx + ey + f). Coordinates
go from -1 to 1 over a picture, to the right and down: a view holds for an image and its masks, at any resolution. It
turns by quarters only: boxes stay boxes. Beyond its edges a picture goes on as its own mirror image.
"""

from __future__ import annotations

import numpy as np

VIEW = "view"  # field of an example: how its image is looked at this time; absent: as it is
TURN = "turn"  # field of an example, from its head: the image has no up, and may be turned
ENOUGH = 0.25  # of a box's area: one of which less is seen is no longer an object
PLAIN = np.array([1, 0, 0, 0, 1, 0], np.float32)


def view(size: tuple[int, int], *, mirror: bool, quarters: int, scale: float, right: float, down: float) -> np.ndarray:
    """(6,) of a picture that is mirrored left to right, turned, enlarged by a scale, and then moved.

    Args:
        size: height and width in pixels; it is moved by whole ones.
        quarters: of a turn. A picture that is not square takes two or none.
        right, down: by what share of its sides it is moved.
    """
    turn = np.array([[1, 0], [0, 1]])
    for _ in range(quarters):
        turn = turn @ [[0, -1], [1, 0]]
    turn = np.array([[-1, 0], [0, 1]]) @ turn if mirror else turn
    moved = [2 * round(share * side) / side for share, side in ((right, size[1]), (down, size[0]))]
    return np.column_stack([turn / scale, -(turn / scale) @ moved]).astype(np.float32).reshape(-1)


def seen_boxes(view: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(n, 4) left, top, right, bottom on the picture -> the same on the view, both from -1 to 1, not cut off."""
    matrix, shift = _parts(view)
    corners = (boxes.astype(np.float64).reshape(-1, 2, 2) - shift) @ np.linalg.inv(matrix).T
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def visible(view: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) on the picture -> the same on the view, cut off at its edges, and (n,) whether enough of each is seen."""
    whole = seen_boxes(view, boxes)
    seen = whole.clip(-1, 1)
    return seen, _areas(seen) >= ENOUGH * _areas(whole)


def shown(view: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each of (height, width) pixels of the view shows at its middle: the row and the column of the picture at the
    same resolution, int64, and whether that lies within the picture and not in its mirror image.
    """
    matrix, shift = _parts(view)
    across = (np.arange(width) + 0.5) * 2 / width - 1
    down = (np.arange(height) + 0.5) * 2 / height - 1
    x = matrix[0, 0] * across[None] + matrix[0, 1] * down[:, None] + shift[0]
    y = matrix[1, 0] * across[None] + matrix[1, 1] * down[:, None] + shift[1]
    inside = (np.abs(x) < 1) & (np.abs(y) < 1)
    return _folded(y, height), _folded(x, width), inside


def _folded(at: np.ndarray, side: int) -> np.ndarray:
    """Coordinates -> places 0 … side - 1, what lies beyond an edge mirrored there."""
    place = np.floor((at + 1) / 2 * side).astype(np.int64) % (2 * side)
    return np.minimum(place, 2 * side - 1 - place)


def _areas(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) -> (n,)."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def _parts(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2, 2) and (2,) float64."""
    whole = view.astype(np.float64).reshape(2, 3)
    return whole[:, :2], whole[:, 2]
