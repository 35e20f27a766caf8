"""Scores of answers against SQuAD's official script, written out here as it is published."""

from __future__ import annotations

import collections
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.metrics import score_answers, score_spans


def normalize_answer(s: str) -> str:  # evaluate-v2.0.py, from here
    def remove_articles(text: str) -> str:
        regex = re.compile(r"\b(a|an|the)\b", re.UNICODE)
        return re.sub(regex, " ", text)

    def white_space_fix(text: str) -> str:
        return " ".join(text.split())

    def remove_punc(text: str) -> str:
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def get_tokens(s: str) -> list[str]:
    return normalize_answer(s).split() if s else []


def compute_f1(a_gold: str, a_pred: str) -> float:
    gold_toks, pred_toks = get_tokens(a_gold), get_tokens(a_pred)
    common = collections.Counter(gold_toks) & collections.Counter(pred_toks)
    num_same = sum(common.values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(pred_toks)
    recall = 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


def official(said: str, golds: list[str]) -> tuple[float, float]:
    gold_answers = [text for text in golds if normalize_answer(text)] or [""]
    exact = max(int(normalize_answer(a) == normalize_answer(said)) for a in gold_answers)
    return exact, max(compute_f1(a, said) for a in gold_answers)  # to here


def score(said: list[str], golds: list[list[str] | None]) -> dict[str, float]:
    rows = [{"answers": None if g is None else [{"text": t, "start": 0} for t in g]} for g in golds]
    return score_spans([{"text": s} for s in said], rows)


WORDS = st.lists(
    st.sampled_from(["the", "a", "An", "Rhine", "rhine,", "U.S.", "1,000", "–", "!", "çay", "it's", "  "]), max_size=6
).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=3)), min_size=1, max_size=6))
def test_agrees_with_the_official_script(cases: list[tuple[str, list[str]]]) -> None:
    scores = score([said for said, _ in cases], [golds for _, golds in cases])
    exact, f1 = zip(*(official(said, golds) for said, golds in cases), strict=True)
    assert scores["exact_match"] == pytest.approx(sum(exact) / len(cases))
    assert scores["f1"] == pytest.approx(sum(f1) / len(cases))


@pytest.mark.parametrize(
    ("said", "golds", "exact", "f1"),
    [
        ("The Rhine", ["rhine"], 1, 1),
        ("the U.S.", ["US"], 1, 1),
        ("Denver Broncos", ["The Denver Broncos!", "Broncos"], 1, 1),
        ("in Denver", ["Denver, Colorado"], 0, 0.5),
        ("Carolina", ["Denver", "Carolina Panthers"], 0, 2 / 3),
        ("Levi's Stadium Levi's", ["Levi's Stadium"], 0, 0.8),
        ("", [], 1, 1),
        ("Denver", [], 0, 0),
        ("", ["Denver"], 0, 0),
    ],
)
def test_by_hand(said: str, golds: list[str], exact: float, f1: float) -> None:
    assert score([said], [golds]) == {"exact_match": exact, "f1": pytest.approx(f1), "rows": 1.0}


def test_questions_with_and_without_answer_are_also_scored_apart() -> None:
    scores = score(["x", "", "y", "z"], [["x"], [], [], None])
    assert scores == {
        "f1": pytest.approx(2 / 3),
        "exact_match": pytest.approx(2 / 3),
        "f1/answerable": 1.0,
        "f1/unanswerable": 0.5,
        "exact_match/answerable": 1.0,
        "exact_match/unanswerable": 0.5,
        "rows": 3.0,
    }


def test_without_labels_there_are_no_scores() -> None:
    assert score(["x"], [None]) == {}


def test_answers_take_the_best_of_several_texts() -> None:
    rows = [{"answer": "The red one"}, {"answer": ["two", "a couple"]}, {"answer": "A"}, {"answer": None}]
    said = ["red one!", "Couple", "B", "left out"]
    assert score_answers([{"text": s} for s in said], rows) == pytest.approx(
        {"exact_match": 2 / 3, "f1": 2 / 3, "rows": 3}
    )
    assert score_answers([{"text": "red"}], rows[:1]) == pytest.approx({"exact_match": 0, "f1": 2 / 3, "rows": 1})
    assert score_answers([{"text": "a"}], [{"answer": "A"}])["exact_match"] == 1
    assert score_answers([{"text": "x"}], [{"answer": None}]) == {}
