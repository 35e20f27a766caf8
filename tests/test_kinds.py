"""Every metric that a kind gives may be a recipe's main one, and no other may."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.metrics import test_dense, test_masks, test_spoken
from unisono.kinds import kinds
from unisono.recipe import RecipeError, parse
from unisono.tasks import resolve

BOX = {"box": [0, 0, 4, 4], "label": "cat", "score": 0.9}
ONES = np.ones((2, 2), np.int32)
CLASSES = [{"label": n, "scores": {"a": p, "b": 1 - p}} for n, p in (("a", 0.9), ("b", 0.2))]
SETS = [{"labels": [n], "scores": {"a": p, "b": 1 - p}} for n, p in (("a", 0.9), ("b", 0.2))]
VOICES = [{"label": n, "scores": {"a": 0.5, "b": 0.5}, "vector": v} for n, v in (("a", [1.0, 0.0]), ("b", [0.0, 1.0]))]
PAIRS = [{"vectors": {"text": [1.0, 0.0], "image": [1.0, 0.0]}}, {"vectors": {"text": [0.0, 1.0], "image": [0.0, 1.0]}}]
ANSWERS = [{"text": "one", "start": 0, "end": 3}]
HIDDEN = {"was": "a", "said": [["a", 0.9]], "nats": 0.1}
PATCHES = {"at": [0], "l1": 0.5, "squares": 1.0, "spread": 2.0}


def spoken() -> tuple[Any, Any]:
    row, frames = test_spoken.sound(400, 0.4)
    return [test_spoken.said(frames)], [{"audio": row}]


CASES = {
    "classify": lambda: (CLASSES, [{"label": "a"}, {"label": "b"}]),
    "classify, multi": lambda: (SETS, [{"label": ["a"]}, {"label": ["b"]}]),
    "regress": lambda: ([{"value": 1.0}, {"value": 2.0}], [{"label": 1.5}, {"label": 2.5}]),
    "mask": lambda: ([{"hidden": [HIDDEN], "values": PATCHES}], [{}]),
    "tag": lambda: ([{"tags": ["B-PER", "O"]}], [{"tags": ["B-PER", "O"]}]),
    "translate": lambda: ([{"texts": {"de": "ein Haus"}}], [{"target": {"de": "ein Haus"}}]),
    "caption": lambda: ([{"text": "a house"}], [{"caption": ["a house"]}]),
    "answer": lambda: ([{"text": "one"}], [{"answer": "one"}]),
    "span": lambda: ([{"text": "one"}, {"text": ""}], [{"answers": ANSWERS}, {"answers": []}]),
    "detect": lambda: ([{"boxes": [BOX]}], [{"boxes": [BOX]}]),
    "segment": lambda: ([test_masks.said(ONES)], [{"mask": test_masks.pgm(ONES)}]),
    "dense": lambda: ([test_dense.said(np.eye(2))], [{"mask": test_dense.npy(np.eye(2))}]),
    "transcribe": lambda: ([{"text": "one"}], [{"text": "one"}]),
    "match": lambda: (PAIRS, [{"text": "a", "image": "x.png"}, {"text": "b", "image": "y.png"}]),
    "match, scored": lambda: ([{"similarity": 0.1}, {"similarity": 0.5}], [{"score": 1.0}, {"score": 2.0}]),
    "speaker": lambda: (VOICES * 2, [{"label": "a"}, {"label": "b"}] * 2),
    "speak": spoken,
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_scored_may_be_the_main_metric(case):
    kind = kinds()[case.partition(",")[0]]
    options = kind.head.Options(**({"multi": True} if case.endswith("multi") else {}))
    found = kind.score(*CASES[case]())
    assert len(found) > 1
    assert all(kind.gives(metric, options) for metric in found if metric != "rows"), found
    assert kind.scored
    families = {metric.partition("/")[0] for metric in found}
    if not case.startswith("match"):  # of which one kind of data gives some, the other the rest
        assert {metric.partition("/")[0] for metric in kind.scored(options)} <= families
    assert any(metric in found for metric in kind.main)


def test_every_kind_is_looked_at():
    assert {case.partition(",")[0] for case in CASES} == set(kinds())


@pytest.mark.parametrize(
    ("head", "metric", "says"),
    [
        ("{}", "f1", 'classify has no "f1"; valid: accuracy, f1/LABEL, macro_f1, matthews, roc_auc'),
        ("{}", "acuracy", 'classify has no "acuracy"; did you mean "accuracy"?'),
        ("{}", "bleu/de", 'classify has no "bleu/de"; valid: accuracy'),
        ("{multi: true}", "accuracy", 'classify has no "accuracy"; did you mean "subset_accuracy"?'),
    ],
)
def test_another_metric_is_an_error_in_the_recipe(head, metric, says):
    task = f"{{kind: classify, data: rows.csv, head: {head}, metric: {metric}}}"
    with pytest.raises(RecipeError) as error:
        resolve(parse(f"tasks: {{a: {task}}}\ntrunk: {{layers: 1, width: 16, heads: 2}}"), "mine.yaml")
    assert str(error.value).startswith(f"mine.yaml: tasks.a.metric: {says}")
