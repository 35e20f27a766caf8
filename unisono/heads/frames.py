"""frames: from a vector a piece of text to a vector a frame of sound, and what is said at each of them.

The length regulator of FastSpeech (Ren et al. 2019, section 3.2, https://arxiv.org/abs/1905.09263), and a decoder of
convolutional blocks (those of ConvNeXt: Liu et al. 2022, https://arxiv.org/abs/2201.03545, along one axis) on packs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.packed import Layout, Packed

_KERNEL = 7


def stretched(pieces: Packed, durations: Tensor) -> tuple[Packed, Tensor]:
    """Each piece's vector as often as its duration says, and where in its piece each frame is.

    Args:
        pieces: (N, H). ``durations``: (N,) int64 frames, each at least 1.

    Returns:
        (ΣT, H), and (ΣT, 3): frames since the piece began, the share of it that is over, and how long it is, on scales
        near 1.
    """
    ends = durations.cumsum(0)
    total = int(ends[-1])
    of = torch.arange(len(durations), device=durations.device).repeat_interleave(durations, output_size=total)
    long = durations[of].to(torch.float32)
    since = (torch.arange(total, device=of.device) - (ends - durations)[of]).to(torch.float32)
    sums = durations.new_zeros(pieces.layout.count).index_add(0, pieces.layout.segments(of.device), durations)
    places = torch.stack([since / 10, (since + 0.5) / long, long / 10], -1)
    return Packed(pieces.values[of], Layout(sums.tolist())), places


class FrameDecoder(nn.Module):
    """(ΣT, H) -> (ΣT, M).

    Rows lie end to end with gaps of zeros between, whose zeros are what a convolution sees at the edge of a row that
    lies alone: no row sees another, and nothing is computed on padding.

    Args:
        width: H. ``bands``: M. ``layers``: blocks.
    """

    def __init__(self, width: int, bands: int, *, layers: int, dropout: float) -> None:
        super().__init__()
        self.places = nn.Linear(3, width)
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, bands)

    def forward(self, frames: Packed, places: Tensor) -> Tensor:
        layout, device, gap = frames.layout, frames.device, _KERNEL // 2
        at = torch.arange(layout.total, device=device) + gap * (layout.segments(device) + 1)  # (ΣT,)
        total = layout.total + gap * (layout.count + 1)
        x = frames.values + self.places(places.to(frames.values.dtype))
        for block in self.blocks:
            x = block(x, at, total)
        out: Tensor = self.last(self.norm(x))
        return out


class _Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.along = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, at: Tensor, total: int) -> Tensor:
        """x (ΣT, H), which lie at ``at`` (ΣT,) of ``total`` places -> (ΣT, H)."""
        normed = self.norm(x)
        spread = normed.new_zeros(total, normed.shape[1]).index_copy(0, at, normed)
        seen = self.along(spread.t()[None])[0].t()[at]
        out: Tensor = x + self.drop(self.down(F.gelu(self.up(seen))))
        return out
