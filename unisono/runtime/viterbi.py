"""viterbi: the sequences of tags of the highest score. Viterbi 1967 (https://doi.org/10.1109/TIT.1967.1054010)."""

from __future__ import annotations

import numpy as np


def viterbi(
    emissions: np.ndarray, lengths: np.ndarray, follow: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """The best sequence of each sentence; -inf forbids.

    Args:
        emissions: (B, S, V) scores of each tag at each place.
        lengths: (B,) from 0 to S.
        follow: (V, V) score of tag j after tag i. ``first``, ``last``: (V,).

    Returns:
        (B, S) int64; what stands behind a sequence's end is 0.
    """
    count, steps, _ = emissions.shape
    after = np.ascontiguousarray(follow.T)  # [j, i]
    scores = np.empty_like(emissions)  # at each step, of the best sequence that ends in a tag
    scores[:, 0] = first + emissions[:, 0]
    for step in range(1, steps):
        scores[:, step] = (scores[:, step - 1, None, :] + after).max(-1) + emissions[:, step]
    ends = scores[np.arange(count), np.maximum(lengths - 1, 0)]  # (B, V)
    tag = (ends + last).argmax(-1)
    out = np.zeros((count, steps), np.int64)
    for step in range(steps - 1, -1, -1):
        there = lengths > step
        out[there, step] = tag[there]
        if step:
            tag = np.where(there, (scores[:, step - 1] + after[tag]).argmax(-1), tag)
    return out
