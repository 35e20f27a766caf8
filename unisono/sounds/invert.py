"""invert: mel frames back to samples. The bands are undone by non-negative least squares, phases by Griffin and Lim."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-12


def unmel(power: Tensor, filters: Tensor, *, steps: int = 200) -> Tensor:
    """(T, M) energies of bands -> (T, F) powers x >= 0 with the least |x filters - power|^2, frame by frame.

    Multiplicative updates, under which that never rises (Lee & Seung 2000, theorem 1,
    https://papers.nips.cc/paper/1861). A frequency that no band holds stays silent.

    Args:
        filters: (F, M), as ``filterbank`` makes them.
        steps: updates.
    """
    goal, gram = power @ filters.t(), filters @ filters.t()  # (T, F), (F, F)
    x = goal / gram.sum(0).clamp(min=_TINY)
    for _ in range(steps):
        x = x * (goal / (x @ gram).clamp(min=_TINY))
    return x


def griffin_lim(
    magnitude: Tensor, *, window: int, hop: int, size: int, steps: int = 60, momentum: float = 0.99, seed: int = 0
) -> Tensor:
    """(T, size // 2 + 1) magnitudes -> (n,) samples whose windows have nearly these; n = (T - 1) * hop + window.

    Griffin & Lim 1984 (https://doi.org/10.1109/TASSP.1984.1164317) in the fast variant of Perraudin, Balazs &
    Søndergaard 2013 (https://doi.org/10.1109/WASPAA.2013.6701851), algorithm 2: each step goes on past the projection
    by ``momentum`` times its last move; 0 is the method of 1984. Windows are those of ``log_mel``: nothing is padded.

    Args:
        window, hop, size: of the frames, in samples.
        seed: of the phases to begin with.
    """
    shape = torch.hann_window(window, dtype=magnitude.dtype)
    draw = torch.Generator().manual_seed(seed)
    phase = 2 * torch.pi * torch.rand(magnitude.shape, generator=draw, dtype=magnitude.dtype)
    ahead = torch.polar(magnitude, phase)
    before = torch.zeros_like(ahead)
    for _ in range(steps):
        wanted = magnitude * torch.sgn(ahead)  # the nearest with these magnitudes,
        now = transform(samples_of(wanted, shape, hop), shape, hop, size)  # and of these the nearest of a real sound
        ahead = now + momentum * (now - before)
        before = now
    return samples_of(magnitude * torch.sgn(ahead), shape, hop)


def transform(samples: Tensor, window: Tensor, hop: int, size: int) -> Tensor:
    """(n,) -> (T, size // 2 + 1) complex: the Fourier transform of each window, filled up with zeros."""
    return torch.fft.rfft(samples.unfold(0, len(window), hop) * window, n=size)


def samples_of(frames: Tensor, window: Tensor, hop: int) -> Tensor:
    """(T, F) complex -> (n,): the samples whose windows are nearest to the frames. Griffin & Lim 1984, equation 6."""
    long, size = len(window), 2 * (frames.shape[1] - 1)
    pieces = torch.fft.irfft(frames, n=size)[:, :long] * window  # (T, window)
    total = (len(frames) - 1) * hop + long
    at = (torch.arange(len(frames))[:, None] * hop + torch.arange(long)).flatten()
    out = pieces.new_zeros(total).index_add(0, at, pieces.flatten())
    weight = pieces.new_zeros(total).index_add(0, at, window.square().repeat(len(frames)))
    # The outermost samples stand under a window's foot alone, where dividing would make clicks of rounding errors.
    return out / weight.clamp(min=0.05 * float(window.square().max()))


def spectral_convergence(magnitude: Tensor, samples: Tensor, *, window: int, hop: int, size: int) -> float:
    """How far the samples' magnitudes are from the wanted (T, F), as a share of these (Sturmel & Daudet 2011)."""
    found = transform(samples, torch.hann_window(window, dtype=samples.dtype), hop, size).abs()
    return float((found - magnitude).norm() / magnitude.norm().clamp(min=_TINY))
