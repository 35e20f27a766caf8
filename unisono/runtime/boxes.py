"""boxes: the boxes of an image from guesses at its patches or by queries. A box is left, top, right, bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .logits import sigmoid, softmax

_CANDIDATES = 1000  # guesses of an image that are compared with one another


class Boxes(NamedTuple):
    """Boxes (n, 4) in pixels, their scores (n,) and the numbers of their classes (n,), best first."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def listed(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """As a prediction lists them."""
        found = zip(self.boxes.tolist(), self.scores.tolist(), self.classes.tolist(), strict=True)
        return [{"label": labels[c], "score": s, "box": [round(side, 2) for side in box]} for box, s, c in found]


def of_patches(
    logits: np.ndarray,
    sides: np.ndarray,
    centred: np.ndarray,
    grid: tuple[int, int, int, int],
    *,
    threshold: float,
    overlap: float,
    most: int,
) -> Boxes:
    """The boxes of an image of h x w patches, of which overlapping ones of a class are one.

    Tian et al. 2019 (https://arxiv.org/abs/1904.01355); the score is the root of class times centredness, as in the
    authors' code.

    Args:
        logits: (h * w, V) of classes. ``centred``: (h * w,) logits of being in the middle.
        sides: (h * w, 4) distances to left, top, right and bottom, in patches.
        grid: patches down and across, height and width of the image.
        threshold: scores up to it are no boxes. ``overlap``: as for ``suppressed``. ``most``: so many boxes at most.
    """
    down, across, height, width = grid
    scores = np.sqrt(sigmoid(logits) * sigmoid(centred)[:, None])  # (h * w, V)
    y, x = np.divmod(np.arange(down * across, dtype=np.float32), across)
    places = np.stack([x, y, x, y], 1) + np.float32(0.5)
    scale = np.array([width / across, height / down] * 2, np.float32)
    boxes = (places + sides * np.array([-1, -1, 1, 1], np.float32)) * scale
    boxes = boxes.clip(0, np.array([width, height] * 2, np.float32))
    flat = np.flatnonzero(scores > threshold)
    flat = flat[np.argsort(-scores.reshape(-1)[flat], kind="stable")[:_CANDIDATES]]
    at, classes = np.divmod(flat, scores.shape[1])
    kept = suppressed(boxes[at], classes, overlap, most)
    return Boxes(boxes[at][kept], scores.reshape(-1)[flat][kept], classes[kept])


def of_queries(logits: np.ndarray, boxes: np.ndarray, size: tuple[int, int], *, threshold: float, most: int) -> Boxes:
    """The boxes of an image by Q queries, each of which stands for one object or none.

    Args:
        logits: (Q, V + 1) of classes, the last for none.
        boxes: (Q, 4) middle across and down, width and height, as shares of the image.
        size: height and width of the image. Others as for ``of_patches``.
    """
    height, width = size
    each = softmax(logits)[:, :-1]
    scores, classes = each.max(1), each.argmax(1)
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    where = np.concatenate([middle - half, middle + half], 1).clip(0, 1) * np.array([width, height] * 2, np.float32)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > threshold][:most]
    return Boxes(where[order], scores[order], classes[order])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, 4), (B, 4) -> (A, B): intersection over union."""
    both = _area(np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:]))
    every = _area(a[:, :2], a[:, 2:])[:, None] + _area(b[:, :2], b[:, 2:])[None] - both
    out: np.ndarray = both / every.clip(1e-9)
    return out


def suppressed(boxes: np.ndarray, classes: np.ndarray, overlap: float, most: int) -> np.ndarray:
    """Greedy non-maximum suppression: which of the boxes (M, 4), best first, stay, ``most`` of them; in their order.

    A box goes when one of its class that stays overlaps it by more than ``overlap``.
    """
    kept: list[int] = []
    left = np.arange(len(boxes))
    while len(left) and len(kept) < most:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        rivals = (iou(boxes[first : first + 1], boxes[left])[0] > overlap) & (classes[left] == classes[first])
        left = left[~rivals]
    return np.array(kept, np.int64)


def _area(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    out: np.ndarray = (end - start).clip(0).prod(-1)
    return out
