"""mel: against a plain computation from the formulas, one number at a time, and against SciPy's transform."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from unisono.sounds.mel import count, filterbank, log_mel


def mel(f: float) -> float:
    return 2595 * math.log10(1 + f / 700)


def slow_filters(bands: int, size: int, rate: int, low: float, high: float) -> np.ndarray:
    corners = [
        700 * (10 ** ((mel(low) + (mel(high) - mel(low)) * i / (bands + 1)) / 2595) - 1) for i in range(bands + 2)
    ]
    out = np.zeros((size // 2 + 1, bands))
    for k in range(size // 2 + 1):
        f = k * rate / size
        for b in range(bands):
            left, peak, right = corners[b : b + 3]
            if left <= f <= peak:
                out[k, b] = (f - left) / (peak - left)
            elif peak < f <= right:
                out[k, b] = (right - f) / (right - peak)
    return out


def slow_log_mel(x: np.ndarray, filters: np.ndarray, window: int, hop: int, size: int) -> np.ndarray:
    x = np.pad(x.astype(np.float64), (0, max(0, window - len(x))))
    rows = []
    for start in range(0, len(x) - window + 1, hop):
        cut = [x[start + n] * (0.5 - 0.5 * math.cos(2 * math.pi * n / window)) for n in range(window)]
        power = []
        for k in range(size // 2 + 1):
            turn = np.exp(-2j * np.pi * k * np.arange(window) / size)
            power.append(abs(np.sum(cut * turn)) ** 2)
        rows.append(np.log(np.maximum(np.array(power) @ filters, 1e-10)))
    return np.array(rows)


@pytest.mark.parametrize(
    ("bands", "size", "rate", "low", "high"), [(40, 512, 8000, 20, 4000), (8, 256, 16_000, 0, 7600)]
)
def test_triangles_are_those_of_the_formula(bands: int, size: int, rate: int, low: float, high: float) -> None:
    ours = filterbank(bands, size, rate, low, high)
    assert_close(ours.double().numpy(), slow_filters(bands, size, rate, low, high), rtol=1e-5, atol=1e-6)


def test_neighbouring_triangles_sum_to_one_between_their_peaks() -> None:
    bank = filterbank(20, 2048, 16_000, 0, 8000)
    at = np.arange(1025) * 16_000 / 2048
    inside = (at > 700 * (10 ** (mel(8000) / 21 / 2595) - 1)) & (at < 700 * (10 ** (mel(8000) * 20 / 21 / 2595) - 1))
    assert_close(bank.sum(1)[torch.from_numpy(inside)], torch.ones(int(inside.sum())), rtol=1e-5, atol=1e-5)


def test_bands_without_a_frequency_are_an_error() -> None:
    with pytest.raises(ValueError, match="too many"):
        filterbank(200, 256, 8000, 0, 4000)


@pytest.mark.parametrize(
    ("length", "window", "hop", "size"), [(700, 200, 80, 512), (200, 200, 80, 256), (3, 50, 20, 64)]
)
def test_log_mel_is_that_of_the_plain_sum(length: int, window: int, hop: int, size: int) -> None:
    x = np.random.default_rng(0).normal(size=length).astype(np.float32)
    filters = filterbank(12, size, 8000, 20, 4000)
    ours = log_mel(torch.from_numpy(x), filters, window=window, hop=hop, size=size)
    slow = slow_log_mel(x, slow_filters(12, size, 8000, 20, 4000), window, hop, size)
    assert len(ours) == count(length, window, hop)
    assert_close(ours.double().numpy(), slow, rtol=1e-3, atol=1e-3)


def test_power_is_that_of_scipy() -> None:
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    x = np.random.default_rng(1).normal(size=4000)
    stft = ShortTimeFFT(hann(400, sym=False), 160, 16_000, mfft=1024)
    power = np.abs(stft.stft(x)) ** 2  # frames centred on multiples of the hop
    first = 2  # the frame whose window begins at 2 * 160 - 200 = 120
    filters = filterbank(64, 1024, 16_000, 20, 8000)
    ours = log_mel(torch.from_numpy(x[120:].astype(np.float32)), filters, window=400, hop=160, size=1024)
    begin = -stft.p_min + first
    theirs = np.log(power[:, begin : begin + 10].T @ filters.double().numpy())
    assert_close(ours[:10].double().numpy(), theirs, rtol=1e-3, atol=1e-3)


def test_louder_by_ten_decibels_is_so_much_more_in_every_band() -> None:
    x = torch.randn(1000)
    filters = filterbank(12, 512, 8000, 20, 4000)
    one, ten = (log_mel(x * gain, filters, window=200, hop=80, size=512) for gain in (1.0, math.sqrt(10)))
    assert_close(ten - one, torch.full_like(one, math.log(10)), rtol=1e-4, atol=1e-4)


def test_silence_is_finite() -> None:
    assert log_mel(torch.zeros(500), filterbank(12, 512, 8000, 20, 4000), window=200, hop=80, size=512).isfinite().all()
