"""A linear-chain conditional random field: the loss of a whole sequence of tags, and the best sequence.

Lafferty, McCallum and Pereira 2001 (https://repository.upenn.edu/cis_papers/159). Words without a label are summed over
(Tsuboi et al. 2008, https://aclanthology.org/C08-1113). All of it in log space, a batch of sequences at a time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from unisono.heads.base import MISSING

FORBIDDEN = -1e4  # exp of it is 0 in float32, and unlike -inf it has a gradient


class CRF(nn.Module):
    """Scores of tags that follow one another, learned, beside the hard rules of a tag scheme.

    Args:
        allowed: (V, V) bool: tag j may follow tag i.
        first, last: (V,) bool: a sequence may begin, may end with the tag.
    """

    def __init__(self, allowed: np.ndarray, first: np.ndarray, last: np.ndarray) -> None:
        super().__init__()
        v = len(first)
        self.follow = nn.Parameter(torch.zeros(v, v))  # score of tag j after tag i
        self.first, self.last = nn.Parameter(torch.zeros(v)), nn.Parameter(torch.zeros(v))
        for name, rule in (("follow", allowed), ("first", first), ("last", last)):
            self.register_buffer(f"no_{name}", torch.from_numpy(~rule), persistent=False)

    def scores(self, forbidden: float = FORBIDDEN) -> tuple[Tensor, Tensor, Tensor]:
        """follow (V, V), first (V,) and last (V,) in float32, with what the scheme forbids at ``forbidden``."""
        names = ("follow", "first", "last")
        follow, first, last = (getattr(self, n).float().masked_fill(getattr(self, f"no_{n}"), forbidden) for n in names)
        return follow, first, last

    def loss(self, emissions: Tensor, lengths: Tensor, tags: Tensor, whole: Tensor) -> Tensor:
        """-log p(tags | emissions), summed over the sequences.

        Args:
            emissions: (B, S, V) float32, score of each tag at each place.
            lengths: (B,) from 1 to S.
            tags: (B, S); MISSING where not known. The known ones must keep to the rules.
            whole: (B,) bool: the sequence ends where it is seen to end; otherwise nothing is said of its end.
        """
        follow, first, last = self.scores()
        known = (tags != MISSING)[..., None]
        other = known & (torch.arange(emissions.shape[-1], device=tags.device) != tags[..., None])  # (B, S, V)
        # The sum over all sequences and the sum over those that agree with the tags, as one batch of 2 B.
        both = torch.cat([emissions, emissions.masked_fill(other, FORBIDDEN)])
        end = torch.where(whole[:, None], last, 0.0)
        every, agreeing = log_partition(both, lengths.repeat(2), follow, first, end.repeat(2, 1)).chunk(2)
        return (every - agreeing).sum()

    @torch.no_grad()
    def decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The best sequences. (B, S, V) -> (B, S) tags; what stands behind a sequence's end is 0."""
        return viterbi(emissions, lengths, *self.scores(-torch.inf))


def log_partition(emissions: Tensor, lengths: Tensor, follow: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """(B,): log of the sum, over all tag sequences, of exp(score). The forward algorithm.

    Args:
        emissions: (B, S, V).
        lengths: (B,) from 1 to S.
        follow, first: (V, V) and (V,) scores.
        last: (V,) or (B, V) scores.
    """
    alpha = first + emissions[:, 0]  # (B, V): log of the sum over the sequences that end in a tag
    for step in range(1, emissions.shape[1]):
        onward = torch.logsumexp(alpha[:, :, None] + follow, dim=1) + emissions[:, step]
        alpha = torch.where((lengths > step)[:, None], onward, alpha)
    return torch.logsumexp(alpha + last, dim=-1)


def viterbi(emissions: Tensor, lengths: Tensor, follow: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The tag sequences of the highest score (Viterbi 1967). Arguments as for ``log_partition``; -inf forbids.

    Lengths may be 0; ``last`` is (V,).

    Returns:
        (B, S) int64; what stands behind a sequence's end is 0.
    """
    order = lengths.argsort(descending=True, stable=True)  # so that the sequences still under way are the first n
    emissions, ends = emissions[order], lengths[order].cpu()
    steps = int(ends[0])
    running = (ends[:, None] > torch.arange(steps)).sum(0).tolist()  # (S,)

    after = follow.T.contiguous()  # [j, i]: the maximum over the last dimension is the fastest
    scores = [first + emissions[:, 0]]  # per step (n, V): the best sequence that ends in a tag
    tag = (scores[0] + last).argmax(-1)  # (B,): the last tag of the best sequence, right for those that end here
    for step in range(1, steps):
        n = running[step]
        scores.append((scores[-1][:n, None, :] + after).amax(-1) + emissions[:n, step])
        tag[:n] = (scores[-1] + last).argmax(-1)

    # Where a tag came from is asked only of the tags on the way back, which is V times cheaper than noting it for all.
    path = torch.zeros(emissions.shape[:2], dtype=torch.int64, device=emissions.device)
    for step in range(steps - 1, -1, -1):
        n = running[step]
        path[:n, step] = tag[:n]
        if step:
            tag[:n] = (scores[step - 1][:n] + after[tag[:n]]).argmax(-1)
    out = torch.zeros_like(path)
    out[order] = path
    return out
