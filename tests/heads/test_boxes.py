"""Boxes: overlaps against a count of small squares."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from unisono.heads.boxes import corners, giou


def random_boxes(count: int, seed: int, side: int = 12) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    start = torch.randint(0, side - 1, (count, 2), generator=draw)
    size = torch.randint(1, side // 2, (count, 2), generator=draw)
    return torch.cat([start, start + size], 1).float()


def squares(box: torch.Tensor) -> set[tuple[int, int]]:
    x0, y0, x1, y1 = (int(v) for v in box)
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


def test_overlaps_are_those_of_counted_squares():
    a, b = random_boxes(60, 0), random_boxes(60, 1)
    generalized = giou(a, b)
    for i in range(60):
        ours, theirs = squares(a[i]), squares(b[i])
        hull = squares(torch.cat([torch.minimum(a[i, :2], b[i, :2]), torch.maximum(a[i, 2:], b[i, 2:])]))
        both, union = len(ours & theirs), len(ours | theirs)
        assert generalized[i].item() == pytest.approx(both / union - (len(hull) - union) / len(hull), abs=1e-6)


def test_boxes_apart_still_have_a_gradient():
    a = torch.tensor([[0.0, 0.0, 1.0, 1.0]], requires_grad=True)
    giou(a, torch.tensor([[5.0, 5.0, 6.0, 6.0]])).sum().backward()
    assert a.grad is not None
    assert a.grad.abs().sum() > 0


def test_corners_surround_the_point():
    assert_close(corners(torch.tensor([[1.0, 2.0, 3.0, 4.0]])), torch.tensor([[-1.0, -2.0, 3.0, 4.0]]))
