"""Searches and the best tags in NumPy are those of the heads in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.twins import stepping
from unisono.heads import search as theirs
from unisono.heads.crf import viterbi as viterbi_in_torch
from unisono.heads.decoder import Decoder
from unisono.packed import Layout, Packed
from unisono.runtime.decoding import HIDDEN, Decoding
from unisono.runtime.search import Terms, beam, greedy
from unisono.runtime.viterbi import viterbi

V, WIDTH, LENGTHS = 70, 8, (3, 1, 6, 2, 9, 1)


@pytest.fixture(scope="module", params=[1.0, 4.0], ids=["unsure", "sure"])
def decoder(request) -> Decoder:
    """Of random weights; ``sure`` ends hypotheses at different steps."""
    torch.manual_seed(3)
    made = Decoder(V, width=WIDTH, source_width=8, layers=2, heads=2, feedforward=24, longest=20).eval()
    with torch.no_grad():
        made.vectors.mul_(request.param)
    return made


@pytest.fixture(scope="module")
def sources() -> Packed:
    torch.manual_seed(4)
    return Packed(torch.randn(sum(LENGTHS), 8), Layout(LENGTHS))


def opened(decoder: Decoder, sources: Packed) -> Decoding:
    with torch.no_grad():
        memory = decoder.open(sources).memory.numpy()  # (layers, 2, B, H, L, K)
    lengths = np.array(sources.layout.lengths)
    mask = np.where(np.arange(max(lengths)) < lengths[:, None], np.float32(0), HIDDEN)
    return Decoding(stepping(decoder), [(keys, values) for keys, values in memory], mask)


def run(steps: Any) -> tuple[list[Any], list[list[int]]]:
    seen = []
    while True:
        try:
            step = next(steps)
            seen.append(None if step is None else np.array(step).tolist())
        except StopIteration as end:
            return seen, end.value


TERMS = [Terms(1, 2, 3, 12), Terms(1, 2, 3, 1), Terms(1, 2, 10, 14, 5), Terms(40, 69, 3, 14)]


@pytest.mark.parametrize("terms", TERMS, ids=["plain", "one token", "late end", "the last piece ends"])
def test_greedy(decoder, sources, terms):
    assert run(greedy(opened(decoder, sources), terms)) == run(theirs.greedy_steps(decoder, sources, **vars(terms)))


@pytest.mark.parametrize(("beams", "penalty"), [(2, 0.0), (3, 1.0), (5, 1.7)])
@pytest.mark.parametrize("terms", TERMS, ids=["plain", "one token", "late end", "the last piece ends"])
def test_beams(decoder, sources, terms, beams, penalty):
    how = {"beams": beams, "length_penalty": penalty}
    ours = run(beam(opened(decoder, sources), terms, **how))
    assert ours == run(theirs.beam_steps(decoder, sources, **vars(terms), **how))


def test_more_beams_than_pieces(sources):
    torch.manual_seed(0)
    small = Decoder(6, width=WIDTH, source_width=8, layers=1, heads=2, feedforward=8, longest=20).eval()
    terms, how = Terms(1, 2, 3, 6), {"beams": 4, "length_penalty": 1.0}
    ours = run(beam(opened(small, sources), terms, **how))[1]
    assert ours == theirs.beam(small, sources, **vars(terms), **how)


@settings(max_examples=80)
@given(st.data(), st.integers(1, 4), st.integers(1, 5))
def test_the_best_tags_are_those_of_the_crf(data, tags, steps):
    lengths = np.array(data.draw(st.lists(st.integers(0, steps), min_size=1, max_size=4)))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    emissions = draw.normal(size=(len(lengths), steps, tags)).astype(np.float32)
    follow, first, last = (draw.normal(size=size).astype(np.float32) for size in ((tags, tags), tags, tags))
    follow[draw.random(follow.shape) < 0.3] = -np.inf
    first[1:][draw.random(tags - 1) < 0.5] = -np.inf
    found = viterbi(emissions, lengths, follow, first, last)
    wanted = viterbi_in_torch(*map(torch.from_numpy, (emissions, lengths, follow, first, last))).numpy()
    assert found.tolist() == wanted.tolist()
