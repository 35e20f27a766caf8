"""masks: SpecAugment, which hides bands and stretches of time from a recognizer while it learns.

Park et al. 2019, section 2 (https://arxiv.org/abs/1904.08779), its frequency and time masks. Its time warp, which the
paper itself finds to matter least (section 5), is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor


def spec_augment(
    mel: Tensor,
    row: Tensor,
    place: Tensor,
    frames: Tensor,
    *,
    bands: int,
    times: int,
    band_share: float,
    time_share: float,
) -> Tensor:
    """(ΣT, M) normalized frames of B rows -> the same with masked places at 0, their mean.

    Each row has its own masks. A mask over bands covers f of them, f uniform in 0 … F, from a uniform place on; one
    over time covers t frames alike. Draws from torch's generator.

    Args:
        row: (ΣT,) which row each frame is of. ``place``: (ΣT,) which frame of it. ``frames``: (B,) how many it has.
        bands, times: masks of each row over bands, over time.
        band_share: F as a share of M. ``time_share``: the most frames of a mask as a share of the row's.
    """
    count, wide = len(frames), mel.shape[1]
    hidden = torch.zeros(mel.shape, dtype=torch.bool, device=mel.device)
    if bands and band_share:
        width = (torch.rand(count, bands, device=mel.device) * (int(band_share * wide) + 1)).floor()
        begin = (torch.rand(count, bands, device=mel.device) * (wide - width + 1)).floor()
        at = torch.arange(wide, device=mel.device)[:, None]  # (M, 1)
        inside = (at >= begin[:, None]) & (at < (begin + width)[:, None])  # (B, M, masks)
        hidden |= inside.any(-1)[row]
    if times and time_share:
        long = frames[:, None].to(torch.float32)
        width = (torch.rand(count, times, device=mel.device) * ((time_share * long).floor() + 1)).floor()
        begin = (torch.rand(count, times, device=mel.device) * (long - width + 1)).floor()
        at = place[:, None]  # (ΣT, 1)
        hidden |= ((at >= begin[row]) & (at < (begin + width)[row])).any(-1)[:, None]
    return mel.masked_fill(hidden, 0.0)
