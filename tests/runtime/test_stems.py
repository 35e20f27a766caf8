"""What reads images, sounds, sequences and tables: told and made again, and refused where it is damaged."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unisono import sounds
from unisono.runtime import mel
from unisono.runtime.errors import Damaged
from unisono.runtime.fields import Fields
from unisono.runtime.pictures import BadPicture, pixels
from unisono.runtime.sounds import NotInstalled, read_sound
from unisono.runtime.stems import STEMS
from unisono.runtime.stems.audio import Audio, Raw
from unisono.runtime.stems.cells import scaled
from unisono.runtime.stems.image import Image
from unisono.runtime.stems.samples import Samples
from unisono.runtime.stems.sequence import Symbols
from unisono.runtime.stems.table import Table
from unisono.runtime.stems.whole import WholeImage

COLUMNS = {
    "size": {"mean": 1.0, "spread": 2.0},
    "age": {"knots": (0.0, 3.0), "shares": (0.25, 0.75)},
    "colour": {"categories": ("g", "r")},
}
READERS = {
    "image": Image(4, (8, 12), 16, 3, 7),
    "whole image": WholeImage(4, (8, 8), 3, 9, True, 3, 5),
    "audio": Audio(8000, 2.5, 16, 20.0, 4000.0, 200, 80, 4, Raw(8000, "s16le", 1), 90),
    "samples": Samples(8000, 2.5, (10, 3), (5, 2), 1, None, 90),
    "sequence": Symbols("dna", 3, False, ("ACG", "CGT"), 40, 7),
    "table": Table([["size", "age", "colour"], ["size"]], COLUMNS, ["?"], 4),
}
DAMAGE: dict[str, list[dict[str, Any]]] = {
    "image": [{"patch": 0}, {"channels": 2}, {"patch": "4"}, {"size": [8]}, {"size": [8, 13]},
              {"longest": 9, "size": None}],
    "whole image": [{"size": [8]}, {"size": None}, {"resize": "8"}, {"resize": [8, 0]}, {"crop": 1}, {"resample": 9}],
    "audio": [{"rate": 1}, {"high": 9000.0}, {"seconds": 0}, {"window": 0}, {"pcm": {"rate": 8000}}, {"bands": None}],
    "samples": [{"kernels": [1]}, {"strides": [0, 1]}, {"seconds": 1e9}, {"pace": 0}, {"rate": 1}],
    "sequence": [{"alphabet": "runes"}, {"k": 9}, {"symbols": ["A", "A"]}, {"canonical": 1}, {"places": -1},
                 {"places": "7"}],
    "table": [{"tables": [["weight"]]}, {"columns": {"size": {}}}, {"missing": 3},
              {"columns": {"size": {"mean": 1.0, "spread": 0}}}],
}  # fmt: skip


OPTIONAL = (("image", "size"), ("audio", "pcm"), ("samples", "pcm"), ("whole image", "resize"), ("sequence", "places"))


def said(name: str) -> dict[str, Any]:
    return json.loads(json.dumps(READERS[name].told(), allow_nan=False))


@pytest.mark.parametrize("name", READERS)
def test_what_is_told_makes_an_equal_reader(name):
    again = STEMS[name].of(Fields(said(name), name), READERS[name].most)
    assert again.told() == READERS[name].told() and again.most == READERS[name].most


@pytest.mark.parametrize("name", READERS)
def test_what_is_damaged_is_refused(name):
    for wrong in DAMAGE[name]:
        with pytest.raises(Damaged):
            STEMS[name].of(Fields({**said(name), **copy.deepcopy(wrong)}, name), 9)
    for entry in said(name):
        if (name, entry) not in OPTIONAL:
            with pytest.raises(Damaged, match=f'"{entry}"'):
                STEMS[name].of(Fields({k: v for k, v in said(name).items() if k != entry}, name), 9)


@settings(max_examples=25, deadline=None)
@example(3, (64, 16_000, 400, 160))  # samples at the very end of the window
@given(st.integers(0, 3000), st.sampled_from([(64, 16_000, 400, 160), (8, 4000, 32, 16), (40, 8000, 200, 80)]))
def test_log_mel_frames_are_those_of_pytorch(count, sizes):
    bands, rate, window, hop = sizes
    size = 1 << (2 * window - 1).bit_length()
    samples = np.random.default_rng(count).normal(0, 0.1, count).astype(np.float32)
    ours, theirs = mel.filterbank(bands, size, rate, 20, rate / 2), sounds.filterbank(bands, size, rate, 20, rate / 2)
    assert np.abs(ours - theirs.numpy()).max() < 1e-6
    found = mel.log_mel(samples, ours, window=window, hop=hop, size=size)
    wanted = sounds.log_mel(torch.from_numpy(samples), theirs, window=window, hop=hop, size=size).numpy()
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-4


@given(st.floats(-1, 4))
def test_numbers_lie_as_quantiles_of_a_normal_distribution(value):
    share = float(np.interp(value, [0.0, 3.0], [0.25, 0.75]))
    assert scaled(value, COLUMNS["age"]) == pytest.approx(
        torch.special.ndtri(torch.tensor(share, dtype=torch.float64)).item(), abs=1e-9
    )


def test_images_of_one_size_are_one_call_and_not_too_many_at_once():
    reader = Image(4, None, 2048, 1, 1 << 20)
    sizes = [(1, 1), (2, 1), (1, 1), (256, 256), (256, 256)]
    examples = [
        {"pixels": np.full(16 * d * a, at, np.uint8), "grid": np.array([d, a, 4 * d, 4 * a])}
        for at, (d, a) in enumerate(sizes)
    ]
    calls = [(numbers, fields["pixels"].shape) for numbers, fields in reader.calls(examples)]
    assert calls == [([0, 2], (2, 4, 4, 1)), ([1], (1, 8, 4, 1)), ([3], (1, 1024, 1024, 1)), ([4], (1, 1024, 1024, 1))]


def test_what_is_not_installed_is_told_with_the_command(monkeypatch):
    for name in ("PIL", "soundfile"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadPicture, match=r"images need Pillow: pip install 'unisono\[image\]'"):
        pixels(b"anything")
    with pytest.raises(NotInstalled, match=r"pip install 'unisono\[audio\]'"):
        read_sound(b"RIFF1234WAVE", rate=8000, seconds=1)
