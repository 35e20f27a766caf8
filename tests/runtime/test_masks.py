"""Masks of logits: against PyTorch's own enlargement, and runs that spell the mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unisono.runtime import masks
from unisono.runtime.masks import likeliest, masked, runs


@pytest.mark.parametrize("size", [(7, 5), (20, 41), (6, 5), (3, 2), (1, 1)], ids=str)
@pytest.mark.parametrize("band", [1, 300, 1 << 18])
def test_the_likeliest_class_of_each_pixel_is_that_of_enlarged_logits(size, band, monkeypatch):
    monkeypatch.setattr(masks, "_BAND", band)
    logits = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    large = F.interpolate(torch.from_numpy(logits)[None], size=size, mode="bilinear", align_corners=False)[0]
    best = large.topk(2, dim=0).values
    sure = (best[0] - best[1] > 1e-4).numpy()  # elsewhere, rounding may decide
    assert sure.mean() > 0.9
    assert (likeliest(logits, size) == large.argmax(0).numpy())[sure].all()


def test_runs_spell_the_mask():
    mask = np.random.default_rng(1).choice([0, 3, 9], (5, 4))
    assert np.concatenate([[n] * count for n, count in runs(mask)]).tolist() == mask.reshape(-1).tolist()
    assert all(a[0] != b[0] for a, b in zip(runs(mask), runs(mask)[1:], strict=False))


def test_a_mask_has_the_size_of_its_image_up_to_a_bound(monkeypatch):
    logits = np.stack([np.zeros((2, 2)), np.full((2, 2), [[1.0, -1.0]])]).astype(np.float32)
    said = masked(logits, (0, 0, 4, 6, 4, 6), np.array([2, 7]), {2: "ground", 7: "left"}, [9])
    assert said["size"] == [4, 6]
    assert said["runs"] == [[7, 3], [2, 3]] * 4
    assert said["shares"] == {"ground": 0.5, "left": 0.5}
    assert said["names"] == {"2": "ground", "7": "left"} and said["void"] == [9]
    monkeypatch.setattr(masks, "_MOST", 6)
    assert masked(logits, (0, 0, 4, 6, 4, 6), np.array([2, 7]), {2: "a", 7: "b"}, [])["size"] == [2, 3]
