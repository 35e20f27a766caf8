"""The image stem: several sizes in one pack, what is kept of an image, and what chance changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.testing import assert_close

from unisono.packed import Layout
from unisono.runtime.stems.image import fit
from unisono.stems import ImageStem
from unisono.stems.augment import coloured
from unisono.stems.image import sines

pytest.importorskip("PIL")

WIDTH = 12


def ppm(height: int, width: int, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return b"P6\n%d %d\n255\n" % (width, height) + noise.tobytes()


def stem(**options) -> ImageStem:
    torch.manual_seed(0)
    options = {"patch": 4, "longest": 16, **options}
    return ImageStem(WIDTH, ImageStem.Options(**options), {}).eval()


def embedded(made: ImageStem, examples: list) -> torch.Tensor:
    examples = list(made.draw(examples))
    return made.embed(made.collate(examples), Layout(made.length(e) for e in examples))


SIZES = [(16, 16), (8, 12), (16, 16), (4, 16), (40, 30), (8, 12)]
ROWS = [{"image": ppm(*size, seed)} for seed, size in enumerate(SIZES)]


def test_vectors_are_the_patches_in_reading_order():
    made = stem()
    (example,) = made.tokens([{"image": ppm(8, 12)}])
    found = embedded(made, [example])
    pixels = torch.from_numpy(example["pixels"].copy()).view(8, 12, 3).permute(2, 0, 1).float() / 127.5 - 1
    weight, bias = made.cut.weight.flatten(1), made.cut.bias
    assert_close(found[0], made.start.detach())
    place = sines(2, 3, WIDTH)
    for y in range(2):
        for x in range(3):
            patch = pixels[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].flatten()
            assert_close(found[1 + 3 * y + x], weight @ patch + bias + place[3 * y + x], rtol=1e-4, atol=1e-5)


def test_positions_are_told_apart_in_both_directions():
    waves = sines(5, 7, 16)
    assert len(torch.unique(waves, dim=0)) == 35
    assert_close(
        waves.view(5, 7, 16)[:, 3, :8], waves.view(5, 7, 16)[:1, 3, :8].expand(5, 8)
    )  # the half that is across
    assert sines(2, 2, 10).shape == (4, 10)


def test_what_is_kept_is_bytes_at_the_size_that_is_cut():
    for example, size in zip(stem().tokens(ROWS), SIZES, strict=True):
        assert example["pixels"].dtype == np.uint8
        assert tuple(example["grid"][2:]) == size
        assert len(example["pixels"]) == 3 * 16 * example["grid"][0] * example["grid"][1]
    exact = stem().tokens([{"image": ppm(8, 12)}])[0]
    assert exact["pixels"].tobytes() == ppm(8, 12)[len(b"P6\n12 8\n255\n") :]  # nothing is resized without need


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 32), st.integers(1, 64), st.integers(1, 4096))
def test_a_grid_keeps_its_bounds(height, width, patch, longest, most):
    down, across = fit(height, width, patch, longest, most)
    assert 1 <= down <= longest
    assert 1 <= across <= longest
    assert down * across <= most


def test_a_grid_keeps_the_proportion():
    assert fit(480, 640, 16, 20, 10_000) == (15, 20)
    assert fit(480, 640, 16, 20, 48) == (6, 8)
    assert fit(10, 5000, 16, 20, 400) == (1, 20)


def test_max_length_bounds_the_vectors_of_a_row():
    made = stem(longest=64)
    assert made.most == 257
    assert made.length(made.tokens([{"image": ppm(64, 64)}])[0]) == 257
    assert made.length(made.tokens([{"image": ppm(64, 64)}], max_length=65)[0]) == 65


def test_evaluation_is_the_same_every_time_and_training_is_not():
    made = stem(flip=True, crop=0.25, colour=0.3)
    examples = made.tokens(ROWS)
    assert_close(embedded(made, examples), embedded(stem(), examples))
    made.train()
    torch.manual_seed(3)
    first = embedded(made, examples)
    assert not torch.equal(embedded(made, examples), first)
    torch.manual_seed(3)
    assert torch.equal(embedded(made, examples), first)
    assert torch.equal(embedded(stem().train(), examples), embedded(stem(), examples))  # none of it unless asked for


def test_only_images_that_have_no_up_are_turned():
    made = stem(flip=True).train()
    examples = made.tokens([ROWS[0]] * 30)
    upright = {bool(e["view"][4] == 1) for e in made.draw(examples)}
    turned = {tuple(e["view"]) for e in made.draw([{**e, "turn": np.ones(1, np.int32)} for e in examples])}
    assert upright == {True}
    assert len(turned) == 8


@pytest.mark.parametrize(
    "options", [{"longest": 15}, {"size": (8, 10)}, {"convolutions": 3}, {"patch": 0}, {"size": (8, 8192)}, {"flop": 1}]
)
def test_options_that_contradict(options):
    with pytest.raises(ValidationError):
        ImageStem.Options(**{"patch": 4, "longest": 16, **options})


# -- augmentation ------------------------------------------------------------------------------------------------------

IMAGES = torch.rand(40, 3, 6, 5)


def test_colours_stay_colours():
    found = coloured(IMAGES, 0.5)
    assert found.min() >= 0
    assert found.max() <= 1
    assert not torch.equal(found, IMAGES)
    assert_close(coloured(IMAGES, 0.0), IMAGES)
    assert coloured(torch.rand(2, 1, 3, 3), 0.5).shape == (2, 1, 3, 3)
