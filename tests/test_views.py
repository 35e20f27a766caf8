"""views: an image, its masks and its boxes stay together however the image is looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from unisono.stems.augment import Augmentation, draw, viewed
from unisono.views import PLAIN, seen_boxes, shown, view

SIZES = [(8, 12), (16, 16)]
ASKED = {"flip": True, "turn": True, "crop": 0.3, "zoom": 0.0}


def views(size: tuple[int, int], count: int = 40, **asked: object) -> list[np.ndarray]:
    torch.manual_seed(0)
    said = {**ASKED, **asked}
    turn = bool(said.pop("turn"))
    return [draw(np.array(size), Augmentation(**said), turn=turn) for _ in range(count)]


def looked_at(images: torch.Tensor, how: np.ndarray) -> torch.Tensor:
    return viewed(images[None, None], torch.from_numpy(how)[None])[0, 0]


@pytest.mark.parametrize("size", SIZES)
def test_a_view_shows_the_pixels_it_says_it_shows(size):
    image = torch.rand(size)
    for how in views(size):
        rows, columns, _ = shown(how, *size)
        assert_close(looked_at(image, how), image[rows, columns], atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_a_box_is_where_its_object_is_seen(size):
    height, width = size
    image = torch.zeros(size)
    image[2:5, 3:7] = 1
    box = np.array([[3 / width, 2 / height, 7 / width, 5 / height]]) * 2 - 1
    for how in views(size):
        left, top, right, bottom = (
            np.round((seen_boxes(how, box)[0] + 1) / 2 * [width, height, width, height]).astype(int).clip(0)
        )
        want = torch.zeros(size)
        want[top:bottom, left:right] = 1
        inside = torch.from_numpy(shown(how, *size)[2])
        assert_close(looked_at(image, how)[inside], want[inside], atol=1e-4, rtol=0)


def test_a_mask_follows_at_another_resolution():
    coarse = torch.arange(2 * 3).view(2, 3)
    for how in views((2, 3)):  # moved by whole pixels of the coarse mask
        seen = coarse[shown(how, 2, 3)[:2]]
        fine = _enlarged(coarse)[shown(how, 8, 12)[:2]]
        assert torch.equal(fine, _enlarged(seen))


def _enlarged(mask: torch.Tensor) -> torch.Tensor:
    return mask.repeat_interleave(4, 0).repeat_interleave(4, 1)


def test_what_is_drawn_is_what_was_asked_for():
    assert all(np.array_equal(how, PLAIN) for how in views((8, 12), flip=False, turn=False, crop=0.0))
    kinds = {tuple(how.reshape(2, 3)[:, :2].reshape(-1)) for how in views((16, 16), 100, crop=0.0)}
    assert len(kinds) == 8  # all symmetries of a square
    kinds = {tuple(how.reshape(2, 3)[:, :2].reshape(-1)) for how in views((8, 12), 100, crop=0.0)}
    assert len(kinds) == 4  # those of a rectangle
    assert len({float(how[0]) for how in views((8, 12), flip=False, turn=False, crop=0.0)}) == 1
    scales = [abs(float(how[0])) for how in views((8, 12), turn=False, zoom=0.5)]
    assert 1 / 1.5 <= min(scales) < 0.8 < 1.2 < max(scales) <= 1.5
    assert max(abs(float(how[2])) for how in views((10, 10), flip=False, turn=False)) <= 2 * 0.3 + 1e-6


def test_an_enlarged_view_shows_less():
    how = view((8, 8), mirror=False, quarters=0, scale=2.0, right=0.0, down=0.0)
    rows, columns, inside = shown(how, 8, 8)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 5, 2, 5)
    assert inside.all()
    np.testing.assert_allclose(seen_boxes(how, np.array([[0, 0, 0.5, 0.25]])), [[0, 0, 1, 0.5]])


def test_plain_images_stay_as_they_are():
    images = torch.rand(3, 2, 5, 7)
    how = torch.from_numpy(np.stack([PLAIN, view((5, 7), mirror=True, quarters=0, scale=1, right=0, down=0), PLAIN]))
    found = viewed(images, how)
    assert torch.equal(found[::2], images[::2])
    assert_close(found[1], images[1].flip(-1), atol=1e-5, rtol=0)
    assert viewed(images, torch.from_numpy(np.stack([PLAIN] * 3))) is images
