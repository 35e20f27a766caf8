"""align: which frame of a sound belongs to which piece of its text, when both go forward together.

Monotonic alignment search. Kim et al. 2020, Glow-TTS, algorithm 1 (https://arxiv.org/abs/2005.11129).
"""

from __future__ import annotations

import numpy as np
import torch

from unisono.packed import Packed


def durations(scores: np.ndarray, pieces: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(B, L) int64: how many frames each piece has in the alignment of the largest sum of scores.

    The first frame belongs to the first piece, the last to the last, and from one frame to the next the piece stays or
    is the next: so each piece has a frame. Of alignments of equal sums, one that goes on early.

    Args:
        scores: (B, L, T) how well piece i goes with frame j; beyond a row's own sizes they do not matter.
        pieces: (B,) how many each row has. ``frames``: (B,) likewise, no fewer than its pieces.
    """
    count, long, wide = scores.shape
    if (frames < pieces).any() or (pieces < 1).any() or pieces.max() > long or frames.max() > wide:
        raise ValueError(f"frames {frames.tolist()} cannot be dealt out to {pieces.tolist()} pieces, one each at least")
    scores = scores.astype(np.float64)
    best = np.full((count, long), -np.inf)  # Q of the paper, of the frame at hand
    best[:, 0] = scores[:, 0, 0]
    moved = np.zeros((wide, count, long), np.bool_)  # whether the best way to (i, j) comes from piece i - 1
    for j in range(1, wide):
        before = np.concatenate([np.full((count, 1), -np.inf), best[:, :-1]], 1)
        moved[j] = before > best
        best = np.where(moved[j], before, best) + scores[:, :, j]
    rows, at = np.arange(count), pieces - 1
    out = np.zeros((count, long), np.int64)
    for j in range(wide - 1, -1, -1):
        inside = j < frames
        out[rows[inside], at[inside]] += 1
        at = at - (inside & moved[j, rows, at])
    return out


def aligned(average: Packed, heard: Packed) -> torch.Tensor:
    """(N, M) averages of pieces, (ΣT, M) frames -> (N,) int64 how many frames each piece has.

    The alignment of the largest likelihood under normal distributions of variance 1 around the averages.
    """
    with torch.no_grad():
        pieces, _ = average.like(average.values.float()).padded()  # (B, L, M)
        frames, _ = heard.like(heard.values.float()).padded()  # (B, T, M)
        # -|frame - average|^2 / 2 without what all pieces have in common
        scores = pieces @ frames.transpose(1, 2) - 0.5 * pieces.square().sum(-1, keepdim=True)
        lengths = (np.array(p.layout.lengths) for p in (average, heard))
        found = torch.from_numpy(durations(scores.cpu().numpy(), *lengths)).to(average.device)
        return found[average.layout.segments(average.device), average.layout.positions(average.device)]
