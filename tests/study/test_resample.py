"""Scores of chosen rows: what is summed is what the metric itself computes from those rows."""

from __future__ import annotations

import numpy as np
import pytest

from unisono.kinds import kinds
from unisono.study.resample import _SUMMED, scorer

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree", "quickly", "slowly"]


def classify(generator):
    said = [{"label": str(generator.choice(["a", "b", "c"])), "score": 0.5} for _ in range(60)]
    return said, [{"label": None if i % 7 == 0 else str(generator.choice(["a", "b", "c"]))} for i in range(60)]


def tag(generator):
    scheme = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    golds = [[str(t) for t in generator.choice(scheme, size=generator.integers(1, 9))] for _ in range(60)]
    said = [
        {"tags": [t if generator.random() < 0.7 else str(generator.choice(scheme)) for t in gold]} for gold in golds
    ]
    rows = [{"tags": gold} for gold in golds]
    rows[3] = {"tags": None}
    rows[5] = {"tags": [None, *golds[5][1:]]}
    return said, rows


def translate(generator):
    golds = [" ".join(generator.choice(WORDS, size=generator.integers(1, 12))) for _ in range(60)]
    said = [{"text": " ".join(w for w in gold.split() if generator.random() < 0.8)} for gold in golds]
    return said, [{"target": None if i == 4 else gold} for i, gold in enumerate(golds)]


def regress(generator):
    golds = generator.normal(size=60)
    return [{"value": float(g + generator.normal())} for g in golds], [{"label": float(g)} for g in golds]


CASES = [
    ("classify", "accuracy", classify),
    ("classify", "macro_f1", classify),
    ("tag", "f1", tag),
    ("tag", "accuracy", tag),
    ("translate", "bleu", translate),
    ("regress", "spearman", regress),
]


def test_every_summed_score_is_under_test():
    assert set(_SUMMED) <= {(kind, metric) for kind, metric, _ in CASES}


@pytest.mark.parametrize(("kind", "metric", "make"), CASES, ids=[f"{k}-{m}" for k, m, _ in CASES])
def test_a_choice_of_rows_scores_as_the_metric_does(kind, metric, make):
    generator = np.random.default_rng(1)
    said, golds = make(generator)
    score = scorer(kinds()[kind], metric, said, golds)
    for places in (np.arange(60), *(generator.integers(60, size=60) for _ in range(8)), np.array([8, 8])):
        slow = kinds()[kind].score([said[i] for i in places], [golds[i] for i in places])[metric]
        assert score(places) == pytest.approx(slow, abs=1e-9)


def test_translations_by_language_and_sets_of_labels_are_scored_anew():
    kind = kinds()["translate"]
    said = [
        {"texts": {"de": "ein Hund", "fr": "un chien"}, "text": "ein Hund"},
        {"texts": {"de": "x", "fr": "y"}, "text": "x"},
    ]
    golds = [{"target": {"de": "ein Hund", "fr": "un chat"}}, {"target": {"de": "x", "fr": None}}]
    places = np.array([0, 0, 1])
    slow = kind.score([said[i] for i in places], [golds[i] for i in places])["bleu"]
    assert scorer(kind, "bleu", said, golds)(places) == pytest.approx(slow)
    kind = kinds()["classify"]
    said = [{"labels": ["a"], "scores": {"a": 0.9, "b": 0.1}}, {"labels": [], "scores": {"a": 0.1, "b": 0.2}}]
    golds = [{"label": ["a", "b"]}, {"label": ["b"]}]
    slow = kind.score([said[0]] * 2, [golds[0]] * 2)["micro_f1"]
    assert scorer(kind, "micro_f1", said, golds)(np.array([0, 0])) == pytest.approx(slow)
