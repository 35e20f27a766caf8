"""span: the best valid span, answers by characters, and one answer from several windows."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unisono.heads import MISSING, Prediction, UnfitRow
from unisono.heads.span import Span, SpanOptions, best_spans
from unisono.packed import Layout, Packed

CONTEXT = "In 1915 Einstein found the field equations."
WINDOW = {  # In, 1915, Einstein, found: without the last words
    "ids": np.arange(8, dtype=np.int32),
    "context": np.array([3], np.int32),
    "begins": np.array([0, 3, 8, 17], np.int32),
    "ends": np.array([2, 7, 16, 22], np.int32),
}


def build(*, unanswerable: bool = False, **options: Any) -> Span:
    torch.manual_seed(0)
    return Span(8, SpanOptions(**options), {"unanswerable": unanswerable}).eval()


def target(text: str | None, start: int = 0, head: Span | None = None) -> list[int]:
    answers = [] if text is None else [{"text": text, "start": start}]
    return (head or build()).encode({"context": CONTEXT, "answers": answers}, WINDOW)["answer"].tolist()


@settings(max_examples=60)
@given(batch=st.integers(1, 3), width=st.integers(1, 7), longest=st.integers(1, 8), seed=st.integers(0, 999))
def test_the_best_span_is_the_best_of_all_pairs(batch: int, width: int, longest: int, seed: int) -> None:
    start, end = torch.randn(2, batch, width, generator=torch.Generator().manual_seed(seed))
    score, first, last = best_spans(start, end, longest)
    for b in range(batch):
        pairs = [(i, j) for i, j in product(range(width), repeat=2) if i <= j < i + longest]
        best = max(pairs, key=lambda pair, b=b: float(start[b, pair[0]] + end[b, pair[1]]))
        assert (int(first[b]), int(last[b])) == best
        assert float(score[b]) == pytest.approx(float(start[b, best[0]] + end[b, best[1]]))


def test_answers_are_the_tokens_that_cover_their_characters() -> None:
    assert target("1915", 3) == [2, 2]
    assert target("1915 Einstein", 3) == [2, 3]
    assert target("915 Ein", 4) == [2, 3], "part of a word is the word"
    assert target(" 1915 ", 2) == [2, 2], "blanks about it do not count"


def test_what_is_not_whole_in_a_window_is_no_answer_there() -> None:
    assert target(None) == [0, 0]
    assert target("field equations", 27) == [0, 0]
    assert target("found the", 17) == [0, 0]
    assert build().encode({}, WINDOW)["answer"].tolist() == [MISSING, MISSING]


@pytest.mark.parametrize(("text", "start"), [("Einstein", 9), ("Newton", 8), ("equations.", 400)])
def test_an_answer_that_is_not_there_is_unfit(text: str, start: int) -> None:
    with pytest.raises(UnfitRow, match=f'not at character {start} of the context: "{text}"'):
        target(text, start)


def test_fit_looks_for_questions_without_answer() -> None:
    known = [{"answers": None}, {"answers": [{"text": "a", "start": 0}]}]
    assert Span.fit(known, SpanOptions()) == {"unanswerable": False}
    assert Span.fit([*known, {"answers": []}], SpanOptions()) == {"unanswerable": True}
    with pytest.raises(ValueError, match="no training row has answers"):
        Span.fit([{"answers": None}, {}], SpanOptions())


def test_tokens_that_cover_nothing_and_questions_are_never_the_answer() -> None:
    head = build()
    window = {**WINDOW, "begins": np.array([0, 3, 8, 17]), "ends": np.array([2, 3, 16, 22])}
    targets = head.collate([{**window, "answer": np.array([0, 0])}, {**WINDOW, "answer": np.array([1, 1])}])
    states = Packed(torch.randn(16, 8), Layout([8, 8]))
    start, _ = head.logits(states, targets)
    assert (start[0] < -9e3).tolist() == [False, False, True, False, False]
    scores = head.readout(states.values)[:, 0]
    assert torch.equal(start[1], scores[[8, 11, 12, 13, 14]])


def part(start: int, end: int, score: float, none: float) -> Prediction:
    return {"start": start, "end": end, "score": score, "none": none}


ROW = {"question": "Who?", "context": CONTEXT}


def test_the_best_of_all_windows_is_the_answer() -> None:
    parts = [part(0, 2, 1.0, 5.0), part(8, 16, 3.0, 2.0), part(27, 42, 2.5, 9.0)]
    assert build().merge(ROW, parts) == {"text": "Einstein", "start": 8, "end": 16, "score": 1.0}
    assert build().merge(ROW, parts[:1])["text"] == "In", "no answer is never said where none was learned"


def test_no_answer_must_hold_in_every_window() -> None:
    parts = [part(0, 2, 1.0, 5.0), part(8, 16, 3.0, 2.0)]
    assert build(unanswerable=True).merge(ROW, parts)["text"] == "Einstein"
    assert build(unanswerable=True).merge(ROW, parts[:1]) == {"text": "", "start": None, "end": None, "score": -4.0}
    assert build(unanswerable=True, threshold=1.5).merge(ROW, parts)["text"] == ""
    assert build(unanswerable=True, threshold=-4.5).merge(ROW, parts[:1])["text"] == "In"


def test_longest_bounds_the_answer() -> None:
    states = Packed(torch.randn(8, 8, generator=torch.Generator().manual_seed(3)), Layout([8]))
    for longest, words in ((1, 1), (2, 2), (30, 4)):
        head = build(longest=longest)
        (said,) = head.predict(states, head.collate([{**WINDOW, **head.encode({}, WINDOW)}]))
        assert 1 <= len(CONTEXT[said["start"] : said["end"]].split()) <= words


def test_a_head_is_held_to_its_teacher() -> None:
    head, teacher = build(), build()
    targets = head.collate([{**WINDOW, "answer": np.array([1, 2])}, {**WINDOW, "answer": np.array([MISSING] * 2)}])
    states = Packed(torch.randn(16, 8, requires_grad=True), Layout([8, 8]))
    same = head.distill(states, targets, teacher, states.like(states.values.detach()))
    assert (float(same.total.detach()), same.units) == (pytest.approx(0.0, abs=1e-6), 1)
    other = head.distill(states, targets, teacher, states.like(torch.randn(16, 8)))
    other.total.backward()
    assert float(other.total.detach()) > 0 and states.values.grad is not None
    assert states.values.grad[:8].any() and not states.values.grad[8:].any()
