"""mel: samples -> log-mel frames, how much energy each band of a scale after human hearing has in each window.

Davis & Mermelstein 1980 (https://doi.org/10.1109/TASSP.1980.1163420), on the scale of O'Shaughnessy 1987 (the one of
HTK): mel(f) = 2595 log10(1 + f / 700).
"""

from __future__ import annotations

import torch
from torch import Tensor

_FLOOR = 1e-10  # power; -100 dB below full scale, more quiet than 16 bits can say


def hertz_to_mel(f: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + f / 700)


def mel_to_hertz(m: Tensor) -> Tensor:
    return 700 * (10 ** (m / 2595) - 1)


def filterbank(bands: int, size: int, rate: int, low: float, high: float) -> Tensor:
    """(size // 2 + 1, bands) triangles of height 1, whose corners are equally far apart in mel.

    Args:
        size: samples of the Fourier transform.
        rate: of the samples, Hz.
        low, high: where the first triangle begins and the last one ends, Hz.

    Raises:
        ValueError: a triangle is so narrow that it holds no frequency of the transform.
    """
    first, last = hertz_to_mel(torch.tensor([low, high], dtype=torch.float64)).tolist()
    corners = mel_to_hertz(torch.linspace(first, last, bands + 2, dtype=torch.float64))  # Hz
    at = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * rate / size  # Hz
    begin, peak, end = corners[:-2], corners[1:-1], corners[2:]
    out = torch.minimum((at - begin) / (peak - begin), (end - at) / (end - peak)).clamp(min=0)
    if not bool(out.any(0).all()):
        raise ValueError(f"{bands} bands are too many for windows of {size} samples: some hold no frequency")
    return out.float()


def count(samples: int, window: int, hop: int) -> int:
    """How many windows lie in so many samples; a sound shorter than one window makes one."""
    return 1 + max(0, samples - window) // hop


def log_mel(samples: Tensor, filters: Tensor, *, window: int, hop: int, size: int) -> Tensor:
    """(n,) samples -> (T, bands) natural logarithms of power; T = ``count(n, window, hop)``.

    Args:
        filters: as ``filterbank`` makes them, (size // 2 + 1, bands).
        window, hop: samples of a Hann window, and from one to the next.
        size: of the Fourier transform; the window is filled up with zeros.
    """
    short = window - len(samples)
    if short > 0:
        samples = torch.nn.functional.pad(samples, (0, short))
    hann = torch.hann_window(window, dtype=torch.float64).float()  # in float32 its ends would lose their digits
    cut = samples.unfold(0, window, hop) * hann  # (T, window)
    with torch.autocast("cpu", enabled=False):  # what is kept must not depend on who asks
        power = torch.fft.rfft(cut, n=size).abs().square()  # (T, size // 2 + 1)
        return (power @ filters).clamp(min=_FLOOR).log()
