"""Greedy and beam search against exhaustive enumeration and against a plain search that has no cache."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from unisono.heads import search
from unisono.heads.decoder import Decoder
from unisono.packed import Layout, Packed

BEGIN, END, BARRED = 1, 2, 3  # numbers 0 and 1 are never produced
SOURCES = [2, 3, 3, 5, 6, 6, 6, 7, 9]


def model(vocabulary: int, *, seed: int = 0, stir: float = 3.0) -> tuple[Decoder, Packed]:
    torch.manual_seed(seed)
    decoder = Decoder(vocabulary, width=16, source_width=8, layers=2, heads=4, feedforward=32, longest=12).eval()
    with torch.no_grad():  # an untrained model repeats its last token; this one wanders, and ends now and then
        for layer in decoder.layers:
            for part in (layer.own, layer.own_out, layer.ask_out, layer.down):
                part.weight *= stir
        decoder.norm.bias += 0.5
        decoder.vectors[END] += (math.log(vocabulary) - 2) / (0.5 * 16)
    return decoder, Packed.join([2 * torch.randn(n, 8) for n in SOURCES])


def next_logs(decoder: Decoder, source: Packed, lines: list[list[int]], *, may_end: bool = True) -> list[Tensor]:
    """Of each line, (tokens + 1, V) log-probabilities of every next token: the whole line decoded afresh."""
    layout = Layout(len(line) + 1 for line in lines)
    ids = torch.tensor([t for line in lines for t in [BEGIN, *line]])
    with torch.no_grad():
        logits = decoder(ids, layout, source, [0] * len(lines)) @ decoder.vectors.T
    logits[:, [t for t in range(BARRED) if t != END or not may_end]] = -math.inf
    return list(logits.log_softmax(1).split(list(layout.lengths)))


def log_probs(decoder: Decoder, source: Packed, texts: list[list[int]]) -> list[list[float]]:
    """Of each text, the log-probability of each of its tokens."""
    logs = next_logs(decoder, source, texts)
    return [[float(log[i, t]) for i, t in enumerate(text)] for text, log in zip(texts, logs, strict=True)]


def penalty(length: int, power: float) -> float:
    return ((5 + length) / 6) ** power


def plain_beam(decoder, source, *, max_new, min_new=0, beams=4, length_penalty=1.0):
    """The same rules, one hypothesis at a time."""
    live, ended = [(0.0, [])], []
    for step in range(1, max_new + 1):
        candidates = []
        all_logs = next_logs(decoder, source, [line for _, line in live], may_end=step >= min_new)
        for (total, line), logs in zip(live, all_logs, strict=True):
            candidates += [(total + p, [*line, t]) for t, p in enumerate(logs[-1].tolist()) if p > -math.inf]
        candidates.sort(key=lambda c: -c[0])
        for total, line in candidates[:beams]:
            if line[-1] == END:
                ended.append((total / penalty(step, length_penalty), line[:-1]))
        live = [c for c in candidates[: 2 * beams] if c[1][-1] != END][:beams]
        if not live:
            break
        limit = live[0][0] / penalty(max_new, length_penalty)
        if step == max_new:
            ended.append((limit, live[0][1]))
        behind = ended and max(ended)[0] >= live[0][0] / penalty(step, length_penalty)
        if (len(ended) >= beams and behind) or (ended and max(ended)[0] >= limit):
            break
    return max(ended, key=lambda e: e[0])[1]


def each(states: Packed) -> list[Packed]:
    return [Packed.join([part]) for part in states.split()]


RULES = {"begin": BEGIN, "end": END, "barred": BARRED}


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_a_beam_wide_enough_finds_the_best_of_all_texts(length_penalty):
    decoder, states = model(6)
    tokens, max_new = range(BARRED, 6), 4
    found = search.beam(decoder, states, **RULES, max_new=max_new, beams=3**max_new, length_penalty=length_penalty)
    lines = [line for length in range(max_new + 1) for line in itertools.product(tokens, repeat=length)]
    texts = [[*line, END][:max_new] for line in lines]
    for source, best in zip(each(states), found, strict=True):
        logs = log_probs(decoder, source, texts)
        scores = {line: sum(logs[n]) / penalty(len(logs[n]), length_penalty) for n, line in enumerate(lines)}
        ranked = sorted(scores.values())
        assert ranked[-1] - ranked[-2] > 1e-5, "the test needs a clear winner"
        assert scores[tuple(best)] == ranked[-1]


@pytest.mark.parametrize("vocabulary", [8, 30, 70, 150])  # less than a block, and several
@pytest.mark.parametrize("beams", [2, 4])
@pytest.mark.parametrize("min_new", [0, 5])
def test_beam_equals_the_plain_search(vocabulary, beams, min_new):
    decoder, states = model(vocabulary)
    options = {"max_new": 8, "min_new": min_new, "beams": beams}
    found = search.beam(decoder, states, **RULES, **options)
    assert found == [plain_beam(decoder, source, **options) for source in each(states)]
    assert vocabulary != 30 or min_new or len({len(line) for line in found}) > 2, (
        "the test needs texts that end at different steps"
    )


def test_greedy_takes_the_likeliest_token():
    decoder, states = model(30)
    found = search.greedy(decoder, states, **RULES, max_new=8)
    for source, line in zip(each(states), found, strict=True):
        (logs,) = next_logs(decoder, source, [line])
        assert logs.argmax(1)[:8].tolist() == [*line, END][:8]


@pytest.mark.parametrize("seed", range(3))
def test_one_beam_is_greedy(seed):
    decoder, states = model(30, seed=seed)
    one = search.beam(decoder, states, **RULES, max_new=8, beams=1)
    assert one == search.greedy(decoder, states, **RULES, max_new=8)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_forced_length_is_kept(beams):
    decoder, states = model(30)
    options = {**RULES, "max_new": 7, "min_new": 8}
    found = search.greedy(decoder, states, **options) if beams == 1 else search.beam(decoder, states, **options)
    assert [len(line) for line in found] == [7] * len(SOURCES)
    assert not {t for line in found for t in line} & {0, BEGIN, END}


def test_neighbours_in_the_batch_do_not_matter():
    decoder, states = model(30)
    together = search.beam(decoder, states, **RULES, max_new=8)
    assert together == [search.beam(decoder, source, **RULES, max_new=8)[0] for source in each(states)]


def test_equal_scores_go_to_the_lower_number():
    decoder, states = model(300)
    with torch.no_grad():
        decoder.vectors.zero_()  # every token is as likely as every other
    scores, origin, token = search._top(torch.zeros(2, 3, 128).log_softmax(-1), torch.tensor([[0.0, 0.0, -1.0]] * 2), 5)
    assert token.tolist() == [[0, 1, 2, 3, 4]] * 2 and origin.tolist() == [[0] * 5] * 2
    assert torch.equal(scores, torch.full((2, 5), -math.log(128)))
    assert search.beam(decoder, states, **RULES, max_new=3, min_new=4) == [[3, 3, 3]] * len(SOURCES)


def test_top_equals_topk_over_everything():
    logits, sums = torch.randn(5, 4, 320), -torch.rand(5, 4)
    logits[:, :, :100] = -math.inf
    logs = logits.log_softmax(-1)
    scores, origin, token = search._top(logs, sums, 8)
    best = (logs + sums[..., None]).flatten(1).topk(8)
    torch.testing.assert_close(scores, best.values)
    assert torch.equal(origin * 320 + token, best.indices)


def test_first_keeps_the_order_of_signs_zeros_and_infinities():
    scores = torch.tensor([[-0.0, 1.5, -math.inf, 0.0, -2.0, 1.5, math.inf, -1e-30]])
    values, index = search._first(scores, 8)
    assert index.tolist() == [[6, 1, 5, 0, 3, 7, 4, 2]]
    assert torch.equal(values, scores.gather(1, index))


def test_a_negative_length_penalty_is_refused():
    decoder, states = model(8)
    with pytest.raises(ValueError, match="length_penalty"):
        search.beam(decoder, states, **RULES, max_new=3, length_penalty=-1.0)
