"""invert: from frames back to sounds, against a slow solver, by what the papers promise, and on a real recording."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from unisono.sounds import Analysis, Pcm, filterbank, read_sound, wav_bytes, write_wav
from unisono.sounds.analysis import MOST_FRAMES
from unisono.sounds.invert import griffin_lim, samples_of, spectral_convergence, transform, unmel

ANALYSIS = Analysis(rate=8000, bands=64, low=20, high=4000, window=256, hop=64, floor=-16)
SIZES = {"window": ANALYSIS.window, "hop": ANALYSIS.hop, "size": ANALYSIS.size}


def magnitude(samples: torch.Tensor) -> torch.Tensor:
    return transform(samples, torch.hann_window(256, dtype=samples.dtype), 64, 512).abs()


def test_bands_are_undone_as_well_as_by_a_slow_solver() -> None:
    filters = filterbank(12, 128, 8000, 20, 4000).double()  # (65, 12)
    draw = torch.Generator().manual_seed(0)
    power = torch.rand(5, 12, generator=draw, dtype=torch.float64) ** 4  # not all of it can come from powers >= 0
    found = unmel(power, filters, steps=2000)
    assert (found >= 0).all()
    for x, goal in zip(found, power, strict=True):
        _, least = nnls(filters.t().numpy(), goal.numpy())
        assert float((x @ filters - goal).norm()) <= least + 0.01 * np.linalg.norm(goal)


def test_the_error_never_rises() -> None:
    filters = ANALYSIS.filters.double()
    power = torch.rand(3, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    errors = [float((unmel(power, filters, steps=n) @ filters - power).norm()) for n in range(12)]
    assert errors == sorted(errors, reverse=True)


def test_samples_of_a_real_transform_are_the_samples() -> None:
    samples = torch.randn(64 * 20 + 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    window = torch.hann_window(256, dtype=torch.float64)
    again = samples_of(transform(samples, window, 64, 512), window, 64)
    assert len(again) == len(samples)
    torch.testing.assert_close(again[128:-128], samples[128:-128])


def test_griffin_lim_of_1984_comes_nearer_with_each_step_and_the_fast_one_nearer_still() -> None:
    at = torch.arange(4096, dtype=torch.float64) / 8000
    samples = torch.sin(2 * torch.pi * (300 + 900 * at) * at) * torch.hann_window(4096, dtype=torch.float64)
    wanted = magnitude(samples)
    far = [
        spectral_convergence(wanted, griffin_lim(wanted, **SIZES, steps=n, momentum=0), **SIZES) for n in (1, 5, 20, 60)
    ]
    assert far == sorted(far, reverse=True)
    assert spectral_convergence(wanted, griffin_lim(wanted, **SIZES, steps=60), **SIZES) < far[-1]


def test_a_real_recording_comes_back(real_data: Path) -> None:
    file = real_data / "speech" / "fsdd" / "recordings" / "7_jackson_0.wav"
    samples = torch.from_numpy(read_sound(str(file), rate=8000, seconds=4)).double()
    wanted = magnitude(samples)
    assert spectral_convergence(wanted, griffin_lim(wanted, **SIZES), **SIZES) < 0.05
    frames = ANALYSIS.frames(str(file), seconds=4)
    again = torch.from_numpy(ANALYSIS.samples(frames)).double()
    assert spectral_convergence(magnitude(samples[: len(again)]), again, **SIZES) < 0.15  # the bands alone were known


def test_samples_stay_within_full_scale_and_are_the_same_each_time() -> None:
    loud = torch.full((20, 64), 30.0)
    samples = ANALYSIS.samples(loud)
    assert len(samples) == 19 * 64 + 256
    assert np.abs(samples).max() <= 1
    assert (samples == ANALYSIS.samples(loud)).all()
    quiet = ANALYSIS.samples(torch.full((3, 64), -16.0))
    assert np.abs(quiet).max() < 1e-3
    assert np.isfinite(ANALYSIS.samples(torch.full((3, 64), torch.nan))).all()


@pytest.mark.parametrize("count", [0, MOST_FRAMES + 1])
def test_memory_is_bounded(count: int) -> None:
    with pytest.raises(ValueError, match="frames; 1 to 60,000"):
        ANALYSIS.samples(torch.zeros(count, 64))


def test_an_analysis_is_kept_as_plain_json() -> None:
    assert Analysis.from_config(ANALYSIS.config()) == ANALYSIS
    raw = replace(ANALYSIS, pcm=Pcm(rate=8000, coding="s16be"))
    assert Analysis.from_config(json.loads(json.dumps(raw.config()))) == raw


def test_a_written_file_has_the_samples(tmp_path: Path) -> None:
    samples = np.array([0, 0.5, -0.5, 1, -1, 2, np.nan], np.float32)
    write_wav(tmp_path / "a.wav", samples, 8000)
    assert (tmp_path / "a.wav").read_bytes() == wav_bytes(samples, 8000)
    with wave.open(io.BytesIO(wav_bytes(samples, 8000))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        read = np.frombuffer(file.readframes(100), "<i2") / 32767
    np.testing.assert_allclose(read, [0, 0.5, -0.5, 1, -1, 1, 0], atol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]
