"""patches: which object each patch of an image stands for, also where the image is looked at in another way."""

from __future__ import annotations

import numpy as np

from unisono.views import shown, visible

UNKNOWN, NOTHING = -100, -1  # as an object: nobody has looked here; there is none


def assigned(
    boxes: np.ndarray, names: np.ndarray, grid: tuple[int, int], radius: float, view: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(h * w,) int64 number of the class at each patch or -1 or -100, (h * w, 4) float32 distances in patches from its
    middle to the left, top, right and bottom of that object.

    Args:
        boxes: (n, 4) of an image, from -1 to 1; ``names``: (n,) the numbers of their classes.
        grid: patches down and across.
        radius: patches whose middle is within a box and this near to its middle (in patches, along either side) stand
            for it; of several boxes the smallest is meant. A box without such a patch has the nearest one.
        view: how the image is looked at. What shows its mirror image beyond an edge is unknown.
    """
    down, across = grid
    classes = np.full(down * across, NOTHING, np.int64)
    sides = np.zeros((down * across, 4), np.float32)
    places = np.stack(np.meshgrid(np.arange(across), np.arange(down)), -1).reshape(-1, 2) + 0.5  # (h * w, 2)
    if view is not None:
        classes[~shown(view, down, across)[2].reshape(-1)] = UNKNOWN
    # As it is, an image has whole boxes also where they leave it; of a view, only what is seen is known.
    found, enough = (boxes, np.full(len(boxes), True)) if view is None else visible(view, boxes)
    found = (found.astype(np.float64) + 1) * ([across / 2, down / 2] * 2)  # in patches
    for at in np.argsort(-np.prod(found[:, 2:] - found[:, :2], 1), kind="stable"):  # small ones win
        box = found[at]
        gaps = np.concatenate([places - box[:2], box[2:] - places], 1)  # (h * w, 4)
        if not enough[at]:
            classes[gaps.min(1) > 0] = UNKNOWN
            continue
        middle = (box[:2] + box[2:]) / 2
        mine = (gaps.min(1) > 0) & (np.abs(places - middle).max(1) <= radius)
        if not mine.any():  # between the middles of all patches
            mine = np.zeros_like(mine)
            mine[np.square(places - middle).sum(1).argmin()] = True
        classes[mine] = names[at]
        sides[mine] = gaps[mine].clip(min=0.05)
    return classes, sides
