"""Every head that the runtime knows says, of the same numbers, what the head in PyTorch says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.heads.contract import CASES, WIDTH, Case
from tests.runtime.twins import alike, finished, kind_of, outputs_of, twin
from unisono.heads import Head
from unisono.heads.segment import Segment, SegmentOptions
from unisono.heads.span import best_spans
from unisono.packed import Layout, Packed
from unisono.runtime.errors import Damaged
from unisono.runtime.heads import HEADS
from unisono.runtime.heads.span import best_span
from unisono.runtime.logits import log_softmax, sigmoid, softmax
from unisono.runtime.pack import Pack

KNOWN = [case for case in CASES if kind_of(case.head) in HEADS]


def examples_of(case: Case, rows) -> list[dict[str, np.ndarray]]:
    """A sequence each: the inputs of match are one for each side."""
    out = []
    for row in rows:
        seen = case.tokens(row)
        sizes = seen.pop("segments", [len(seen["ids"])])
        sides = [(side, n) for side, n in enumerate(sizes) if n]
        out += [{**seen, "ids": np.arange(n, dtype=np.int32), "side": np.array([side])} for side, n in sides]
    return out


def predictions(case: Case, head: Head, states: Packed, rows) -> list:
    """The runtime's, merged as it merges the windows and the sides of a row."""
    other, examples = twin(kind_of(case.head), head), examples_of(case, rows)
    pack = Pack(examples)
    assert pack.lengths.tolist() == list(states.layout.lengths)
    outputs = outputs_of(head, states, other.index(pack, range(len(examples)), examples))
    found = iter(finished(other.steps(outputs, examples)))
    apart = [role for role in other.task.inputs if other.task.kind == "match"]
    counts = [sum(bool(row.get(role)) for role in apart) if apart else 1 for row in rows]
    return [other.merge(row, [next(found) for _ in range(n)]) for row, n in zip(rows, counts, strict=True)]


def test_the_cases_cover_every_head_of_the_runtime():
    assert {kind_of(case.head) for case in KNOWN} == set(HEADS)


@pytest.mark.parametrize("learned", [False, True], ids=["fresh", "learned"])
@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case.name)
def test_it_predicts_what_the_head_predicts(case, learned):
    head = case.build()
    rows = [*case.rows, *case.unlabelled]
    states, targets = case.batch(head, case.rows)
    if learned:  # where it is sure, and where scores say little, other ways are taken
        optimizer = torch.optim.Adam([*head.parameters(), states.values], lr=0.03)
        for _ in range(12):
            optimizer.zero_grad()
            head.loss(states, targets).mean().backward()
            optimizer.step()
        rows = list(case.rows)
    else:
        states, targets = case.batch(head, rows)
    states = states.like(states.values.detach())
    wanted = [head.merge(row, [p]) for row, p in zip(rows, head.predict(states, targets), strict=True)]
    assert alike(predictions(case, head, states, rows), wanted)


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 2**31))
def test_best_span_is_the_one_that_the_head_finds(width, longest, seed):
    draw = np.random.default_rng(seed)
    start, end = draw.integers(-3, 4, (2, width)).astype(np.float32)  # with ties
    score, first, last = best_spans(torch.from_numpy(start)[None], torch.from_numpy(end)[None], longest)
    assert best_span(start, end, longest) == (score.item(), first.item(), last.item())


@settings(max_examples=60)
@given(st.lists(st.lists(st.floats(-200, 200, width=32), min_size=3, max_size=3), min_size=1, max_size=4))
def test_probabilities_are_those_of_pytorch(rows):
    x = np.array(rows, np.float32)
    there = torch.from_numpy(x)
    assert np.allclose(softmax(x), there.softmax(-1), atol=1e-5)
    assert np.allclose(sigmoid(x), there.sigmoid(), atol=1e-5)
    assert np.allclose(log_softmax(x), there.log_softmax(-1), atol=1e-4)


def test_tiles_of_an_image_become_one_mask_as_the_head_makes_them_one():
    head = Segment(WIDTH, SegmentOptions(doublings=1, tile=32, overlap=8), {"numbers": [0, 5, 7]}).eval()
    examples = [
        {"ids": np.arange(5), "grid": np.array([2, 2, 32, 32], np.int32), "tile": np.array([0, x, 32, 56], np.int32)}
        for x in (0, 24)
    ]
    states = Packed(torch.randn(10, WIDTH, generator=torch.Generator().manual_seed(0)), Layout([5, 5]))
    wanted = head.merge({}, head.predict(states, head.collate([{**e, **head.encode({}, e)} for e in examples])))
    other, pack = twin("segment", head), Pack(examples)
    found = other.predict(outputs_of(head, states, other.index(pack, [0, 1], examples)), examples)
    assert other.merge({}, found) == wanted
    assert wanted["size"] == [32, 56]


@pytest.mark.parametrize(
    ("name", "decode"),
    [
        ("segment", {"numbers": []}),
        ("segment", {"numbers": [0, True, 3]}),
        ("segment", {"names": {"0": "ground"}}),
        ("segment", {"tile": [32, 32]}),
        ("segment", {"doublings": 40}),
        ("dense", {"void": [None]}),
        ("dense", {"spread": "wide"}),
        ("detect", {"decoder": "sparse"}),
        ("detect", {"labels": []}),
        ("detect", {"overlap": None}),
        ("speaker", {"labels": ["a", "a"]}),
        ("transcribe", {"characters": "abc"}),
        ("transcribe", {"decoder": "attention"}),
        ("transcribe, attention", {"layers": 0}),
    ],
    ids=str,
)
def test_what_an_export_says_of_a_head_is_checked(name, decode):
    head = next(case for case in CASES if case.name == name).build()
    with pytest.raises(Damaged):
        twin(kind_of(type(head)), head, **decode)


@pytest.mark.parametrize("name", ["detect", "detect, set", "segment", "dense", "transcribe"])
def test_a_head_whose_inputs_nothing_reads_says_so(name):
    case = next(case for case in CASES if case.name == name)
    other, examples = twin(kind_of(case.head), case.build()), [{"ids": np.arange(3)}]
    with pytest.raises(Damaged, match="the export has no stem for them"):
        other.index(Pack(examples), [0], examples)
