"""mel: samples -> log-mel frames, in NumPy: what ``unisono.sounds.mel`` does in PyTorch, which has the sources."""

from __future__ import annotations

import numpy as np

_FLOOR = 1e-10  # power


def filterbank(bands: int, size: int, rate: int, low: float, high: float) -> np.ndarray:
    """(size // 2 + 1, bands) float32 triangles of height 1, whose corners are equally far apart in mel.

    Args:
        size: samples of the Fourier transform. ``rate``: of the samples, Hz.
        low, high: where the first triangle begins and the last one ends, Hz.
    """
    first, last = 2595 * np.log10(1 + np.array([low, high]) / 700)
    corners = 700 * (10 ** (np.linspace(first, last, bands + 2) / 2595) - 1)  # Hz
    at = np.arange(size // 2 + 1)[:, None] * rate / size  # Hz
    begin, peak, end = corners[:-2], corners[1:-1], corners[2:]
    out: np.ndarray = np.minimum((at - begin) / (peak - begin), (end - at) / (end - peak)).clip(min=0)
    return out.astype(np.float32)


def log_mel(samples: np.ndarray, filters: np.ndarray, *, window: int, hop: int, size: int) -> np.ndarray:
    """(n,) float32 samples -> (T, bands) float32 natural logarithms of power, one frame for each window that fits.

    Args:
        filters: as ``filterbank`` makes them.
        window, hop: samples of a Hann window, and from one to the next; a shorter sound is filled up with zeros.
        size: of the Fourier transform.
    """
    samples = np.pad(samples, (0, max(0, window - len(samples))))
    cut = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]  # (T, window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    power = (np.abs(np.fft.rfft(cut * hann.astype(np.float32), n=size)) ** 2).astype(np.float32)  # (T, size // 2 + 1)
    out: np.ndarray = np.log((power @ filters).clip(min=_FLOOR))
    return out
