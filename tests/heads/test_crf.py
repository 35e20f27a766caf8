"""The CRF against the sum and the maximum over all sequences, written out, and against the TorchCRF package."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from unisono.heads import MISSING
from unisono.heads.crf import CRF, log_partition, viterbi
from unisono.runtime.scheme import Scheme

V, LENGTHS = 3, [4, 1, 3, 2]


def emissions(seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(LENGTHS), max(LENGTHS), V, generator=generator) * scale


def free(seed: int = 0) -> CRF:
    """A CRF without rules, with random scores."""
    crf = CRF(np.ones((V, V), bool), np.ones(V, bool), np.ones(V, bool))
    randomise(crf, seed)
    return crf


def randomise(crf: CRF, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed + 100)
    with torch.no_grad():
        for p in crf.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))


def sequences(e: Tensor, length: int, follow: Tensor, first: Tensor, last: Tensor) -> dict[tuple[int, ...], Tensor]:
    """Every tag sequence of one row and its score: the definition."""
    out = {}
    for tags in itertools.product(range(e.shape[-1]), repeat=length):
        score = first[tags[0]] + last[tags[-1]] + sum(e[i, t] for i, t in enumerate(tags))
        out[tags] = score + sum(follow[a, b] for a, b in itertools.pairwise(tags))
    return out


def test_log_partition_is_the_sum_over_all_sequences() -> None:
    crf, e = free(), emissions()
    scores = crf.scores()
    expected = [torch.stack(list(sequences(e[b], n, *scores).values())).logsumexp(0) for b, n in enumerate(LENGTHS)]
    assert_close(log_partition(e, torch.tensor(LENGTHS), *scores), torch.stack(expected))


@pytest.mark.parametrize("seed", range(5))
def test_viterbi_is_the_best_of_all_sequences(seed: int) -> None:
    crf, e = free(seed), emissions(seed)
    path = crf.decode(e, torch.tensor(LENGTHS))
    for b, n in enumerate(LENGTHS):
        all_ = sequences(e[b], n, *(s.detach() for s in crf.scores()))
        assert tuple(path[b, :n].tolist()) == max(all_, key=lambda tags: float(all_[tags]))
        assert not path[b, n:].any()


def test_viterbi_passes_over_empty_sequences() -> None:
    e = torch.cat([emissions(), torch.zeros(1, max(LENGTHS), V)])
    scores = free().scores()
    path = viterbi(e, torch.tensor([*LENGTHS, 0]), *scores)
    assert_close(path[:-1], viterbi(e[:-1], torch.tensor(LENGTHS), *scores))
    assert not path[-1].any()


def obvious_loss(crf: CRF, e: Tensor, tags: Tensor, whole: list[bool]) -> Tensor:
    """-log of the share of the sequences that agree with the known tags."""
    follow, first, last = crf.scores()
    total = torch.zeros(())
    for b, n in enumerate(LENGTHS):
        all_ = sequences(e[b], n, follow, first, last if whole[b] else torch.zeros(V))
        agreeing = [s for t, s in all_.items() if all(g in (MISSING, x) for g, x in zip(tags[b], t, strict=False))]
        total = total + torch.stack(list(all_.values())).logsumexp(0) - torch.stack(agreeing).logsumexp(0)
    return total


GOLD = torch.tensor([[0, 2, 1, 1], [2, MISSING, MISSING, MISSING], [1, 1, 0, MISSING], [0, 0, MISSING, MISSING]])
PARTLY = torch.tensor(
    [[0, MISSING, MISSING, 1], [MISSING] * 4, [MISSING, 1, MISSING, MISSING], [0, 0, MISSING, MISSING]]
)


@pytest.mark.parametrize("gold", [GOLD, PARTLY], ids=["all known", "some known"])
def test_loss_and_gradients_are_those_of_the_definition(gold: Tensor) -> None:
    crf, e = free(), emissions().requires_grad_()
    whole = [True, False, True, False]
    inputs = [e, *crf.parameters()]
    fast = crf.loss(e, torch.tensor(LENGTHS), gold, torch.tensor(whole))
    slow = obvious_loss(crf, e, gold.tolist(), whole)
    assert_close(fast, slow)
    for a, b in zip(torch.autograd.grad(fast, inputs), torch.autograd.grad(slow, inputs), strict=True):
        assert_close(a, b)


def test_loss_without_labels_is_zero() -> None:
    loss = free().loss(emissions(), torch.tensor(LENGTHS), torch.full((4, 4), MISSING), torch.ones(4, dtype=torch.bool))
    assert_close(loss, torch.zeros(()))


def test_agrees_with_the_torchcrf_package() -> None:
    package = pytest.importorskip("TorchCRF")
    crf, e, lengths = free(), emissions(), torch.tensor(LENGTHS)
    theirs = package.CRF(V, use_gpu=False)
    with torch.no_grad():
        theirs.trans_matrix.copy_(crf.follow)
        theirs.start_trans.copy_(crf.first)
        theirs.end_trans.copy_(crf.last)
    mask = torch.arange(max(LENGTHS)) < lengths[:, None]
    expected = -theirs(e, GOLD.clamp(min=0), mask).sum()
    assert_close(crf.loss(e, lengths, GOLD, torch.ones(4, dtype=torch.bool)), expected)
    path = crf.decode(e, lengths)
    assert [path[b, :n].tolist() for b, n in enumerate(LENGTHS)] == theirs.viterbi_decode(e, mask)


def test_what_the_scheme_forbids_has_no_probability() -> None:
    scheme = Scheme("BIO", ["B-A", "I-A", "O"])
    crf = CRF(scheme.allowed, scheme.first, scheme.last)
    randomise(crf)
    e = emissions(1, scale=30)  # however strongly the words speak for it
    e[..., 1] += 200
    follow, first, last = (s.detach() for s in crf.scores(-math.inf))
    valid = {
        b: {t: s for t, s in sequences(e[b], n, follow, first, last).items() if scheme.valid(np.array(t))}
        for b, n in enumerate(LENGTHS)
    }
    path = crf.decode(e, torch.tensor(LENGTHS))
    for b, n in enumerate(LENGTHS):
        assert tuple(path[b, :n].tolist()) == max(valid[b], key=lambda t: float(valid[b][t]))
    sums = torch.stack([torch.stack(list(v.values())).logsumexp(0) for v in valid.values()])
    assert_close(log_partition(e, torch.tensor(LENGTHS), *crf.scores()).detach(), sums)


def test_loss_is_finite_for_long_confident_sequences() -> None:
    scheme = Scheme("BIOES", ["B-A", "E-A", "I-A", "O", "S-A"])
    crf = CRF(scheme.allowed, scheme.first, scheme.last)
    e = (torch.randn(2, 300, 5, generator=torch.Generator().manual_seed(0)) * 50).requires_grad_()
    gold = torch.full((2, 300), 3)
    loss = crf.loss(e, torch.tensor([300, 120]), gold, torch.tensor([True, True]))
    loss.backward()
    assert loss.isfinite()
    assert loss > 0
    assert e.grad is not None
    assert e.grad.isfinite().all()
    assert not e.grad[1, 120:].any()
