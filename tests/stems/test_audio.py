"""The audio stem: a pack is its rows alone, what is kept does not depend on training, and real speech is read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from unisono.packed import Layout
from unisono.stems.audio import AudioOptions, AudioStem
from unisono.stems.masks import spec_augment

sf = pytest.importorskip("soundfile")
RATE, WIDTH = 8000, 16


def sound(samples: int, seed: int = 0) -> bytes:
    out = io.BytesIO()
    sf.write(out, 0.1 * np.random.default_rng(seed).normal(size=samples), RATE, format="WAV")
    return out.getvalue()


SOUNDS = [sound(n, n) for n in (50, 200, 279, 280, 281, 1000, 3333, 8000)]


def options(**more: Any) -> AudioOptions:
    return AudioOptions(**{"rate": RATE, "bands": 12, "channels": 4, "seconds": 2, **more})


def build(**more: Any) -> AudioStem:
    torch.manual_seed(0)
    chosen = options(**more)
    stem = AudioStem(WIDTH, chosen, json.loads(json.dumps(AudioStem.fit(SOUNDS, chosen))))
    with torch.no_grad():
        for p in stem.parameters():  # biases that are not 0, so that a gap would show
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    return stem.eval()


def embedded(stem: AudioStem, sounds: list[bytes]) -> tuple[Tensor, Layout]:
    tokens: list[Any] = stem.tokens([{"audio": s} for s in sounds])
    layout = Layout(stem.length(t) for t in tokens)
    return stem.embed(stem.collate(tokens), layout), layout


def plainly(stem: AudioStem, content: bytes) -> Tensor:
    """One row through the network as if there were no packs."""
    (tokens,) = stem.tokens([{"audio": content}])
    assert not isinstance(tokens, str)
    x = (torch.from_numpy(tokens["mel"]).view(-1, stem.options.bands) - stem.mean) / stem.spread
    x = x[None, None]
    for layer in stem.layers:
        x = F.gelu(layer(x))
    return torch.cat([stem.start[None], stem.norm(stem.project(x[0].transpose(0, 1).flatten(1)))])


@pytest.mark.parametrize("subsample", [1, 2, 4, 8])
def test_a_pack_is_its_rows_alone(subsample: int) -> None:
    stem = build(subsample=subsample)
    values, layout = embedded(stem, SOUNDS)
    for number, (content, own) in enumerate(zip(SOUNDS, values.split(list(layout.lengths)), strict=True)):
        assert_close(own, plainly(stem, content), rtol=1e-4, atol=1e-5, msg=f"row {number}")
        assert_close(own, embedded(stem, [content])[0], rtol=1e-4, atol=1e-5)


def test_gradients_of_a_pack_are_those_of_its_rows() -> None:
    stem = build()
    values, layout = embedded(stem, SOUNDS[3:])
    weights = torch.randn(values.shape)
    ours = torch.autograd.grad((values * weights).sum(), list(stem.parameters()))
    alone = torch.cat([plainly(stem, s) for s in SOUNDS[3:]])
    theirs = torch.autograd.grad((alone * weights).sum(), list(stem.parameters()))
    assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert layout.total == len(alone)


def test_lengths_count_the_start_and_the_rest_of_frames() -> None:
    stem = build(subsample=4)
    frames = [1 + max(0, n - 200) // 80 for n in (50, 200, 279, 280, 281, 1000, 3333, 8000)]
    tokens: list[Any] = stem.tokens([{"audio": s} for s in SOUNDS])
    assert [len(t["mel"]) // 12 for t in tokens] == frames
    assert [stem.length(t) for t in tokens] == [1 + -(-n // 4) for n in frames]
    assert max(stem.length(t) for t in tokens) <= stem.most


def test_what_is_kept_depends_on_no_augmentation_and_the_key_neither() -> None:
    plain, masked = build(), build(band_masks=5, dropout=0.5, channels=8)
    assert plain.key() == masked.key()
    assert plain.key() != build(hop=5).key() != build(rate=16_000).key()
    assert plain.config() != masked.config()
    kept: list[Any] = plain.train().tokens([{"audio": s} for s in SOUNDS])
    again: list[Any] = masked.tokens([{"audio": s} for s in SOUNDS])
    assert all(np.array_equal(a["mel"], b["mel"]) for a, b in zip(kept, again, strict=True))
    assert set(kept[0]) == set(AudioStem.fields)
    assert {(k, v.ndim, str(v.dtype)) for k, v in kept[0].items()} == {("mel", 1, "float32"), ("steps", 1, "int32")}


def test_fitted_to_rows_the_frames_have_no_mean_and_spread_one() -> None:
    stem = build()
    frames = torch.cat(
        [
            torch.from_numpy(t["mel"]).view(-1, 12)
            for t in stem.tokens([{"audio": s} for s in SOUNDS])
            if isinstance(t, dict)
        ]
    )
    x = (frames - stem.mean) / stem.spread
    assert_close(x.mean(0), torch.zeros(12), rtol=0, atol=1e-3)
    assert_close(x.std(0, correction=0), torch.ones(12), rtol=0, atol=1e-3)


def test_fit_takes_missing_and_broken_sounds_and_draws_the_same_ones() -> None:
    many = [*[None, b"no sound"] * 5, *SOUNDS, *[sound(500, s) for s in range(260)]]
    assert AudioStem.fit(iter(many), options()) == AudioStem.fit(iter(many), options())
    assert AudioStem.fit([None, b"no sound"], options()) == {"mean": [0.0] * 12, "spread": [1.0] * 12}


def test_rows_that_cannot_be_used_have_a_reason_and_the_others_stay() -> None:
    stem = build(seconds=0.5)
    found = stem.tokens([{"audio": s} for s in (b"junk", SOUNDS[2], SOUNDS[-1])])
    assert found[0] == "not a WAV, FLAC or Ogg file"
    assert isinstance(found[1], dict)
    assert isinstance(found[2], str) and "0.5 seconds" in found[2]
    assert "max_length" in str(stem.tokens([{"audio": SOUNDS[-2]}], max_length=5)[0])
    assert isinstance(build().tokens([{"audio": SOUNDS[-2]}], max_length=11)[0], dict)


@pytest.mark.parametrize(
    ("more", "says"),
    [({"bands": 200}, "too many"), ({"high": 5000}, "half"), ({"low": 4000}, "half"), ({"subsample": 3}, "subsample")],
)
def test_options_that_cannot_be(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        options(**more)


def test_works_in_half_precision() -> None:
    exact = embedded(build(), SOUNDS)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(embedded(build(), SOUNDS)[0].float(), exact, rtol=0.1, atol=0.1)
    assert_close(embedded(build().bfloat16(), SOUNDS)[0].float(), exact, rtol=0.1, atol=0.1)


def masked(frames: list[int], wide: int, seed: int, **how: Any) -> Tensor:
    torch.manual_seed(seed)
    counts = torch.tensor(frames)
    row = torch.arange(len(frames)).repeat_interleave(counts)
    place = torch.cat([torch.arange(n) for n in frames])
    chosen = {"bands": 0, "times": 0, "band_share": 0.5, "time_share": 0.5, **how}
    return spec_augment(torch.ones(len(row), wide), row, place, counts, **chosen) == 0


def test_masks_are_whole_bands_and_whole_frames_no_wider_than_said() -> None:
    frames, widths, heights = [1, 7, 20, 20, 20, 20, 40], set(), set()
    for seed in range(60):
        over_bands = masked(frames, 10, seed, bands=1).split(frames)
        over_time = masked(frames, 10, seed, times=1).split(frames)
        for own, n in zip(over_bands, frames, strict=True):
            hidden = own[0].nonzero()[:, 0]
            assert (own == own[0]).all()
            assert len(hidden) <= 5
            assert len(hidden) == 0 or hidden[-1] - hidden[0] == len(hidden) - 1  # in one piece
            heights.add(len(hidden))
            assert len(own) == n
        for own, n in zip(over_time, frames, strict=True):
            hidden = own[:, 0].nonzero()[:, 0]
            assert (own == own[:, :1]).all()
            assert len(hidden) <= n / 2
            assert len(hidden) == 0 or hidden[-1] - hidden[0] == len(hidden) - 1
            if n == 20:
                widths.add(len(hidden))
    assert heights == {0, 1, 2, 3, 4, 5}
    assert widths == set(range(11))
    assert not masked(frames, 10, 0).any()


def test_headerless_real_speech_is_speech_in_the_right_byte_order_alone(real_data: Path) -> None:
    """Spectral flatness: noise is flat. AN4's README calls its files little-endian."""
    path = next((real_data / "speech" / "an4" / "wav").rglob("*.raw"))
    flat = {}
    for coding in ("s16be", "s16le"):
        stem = AudioStem(
            WIDTH, AudioOptions(pcm={"rate": 16_000, "coding": coding}), {"mean": [0] * 64, "spread": [1] * 64}
        )
        (tokens,) = stem.tokens([{"audio": str(path)}])
        assert not isinstance(tokens, str)
        mel = tokens["mel"].reshape(-1, 64)
        flat[coding] = float(mel.std(1).mean())
    assert flat["s16be"] > 2 * flat["s16le"]


def test_every_real_recording_is_read(real_data: Path) -> None:
    stem = build(seconds=5)
    for part, ending in (("fsdd/recordings", "*_1.wav"), ("ljspeech-20/wavs", "*.wav")):
        paths = sorted((real_data / "speech" / part).glob(ending))
        assert paths
        few = AudioStem(WIDTH, options(seconds=15), stem.fitted)
        found = few.tokens([{"audio": {"path": str(p), "bytes": None}} for p in paths[:12]])
        assert all(isinstance(t, dict) and np.isfinite(t["mel"]).all() for t in found)
