"""classify: names to numbers, several labels, labels partly known, weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from unisono.heads import MISSING, Row, Targets, UnfitRow
from unisono.heads.classify import Classify, ClassifyOptions
from unisono.packed import Layout, Packed

WIDTH = 8
NONE: dict[str, np.ndarray] = {}


def build(given: list[Any], **options: Any) -> Classify:
    torch.manual_seed(0)
    chosen = ClassifyOptions(**options)
    return Classify(WIDTH, chosen, Classify.fit(({"label": x} for x in given), chosen)).eval()


def batch(head: Classify, labels: list[Any]) -> tuple[Packed, Targets]:
    layout = Layout([3] * len(labels))
    states = torch.randn(layout.total, WIDTH, generator=torch.Generator().manual_seed(1))
    return Packed(states, layout), head.collate([head.encode({"label": x}, NONE) for x in labels])


def test_fit_sorts_names_and_counts() -> None:
    fitted = Classify.fit([{"label": x} for x in ("pos", "neg", None, "pos")], ClassifyOptions())
    assert fitted["labels"] == ["neg", "pos"]
    assert fitted["counts"] == [1, 2]


def test_names_may_be_given_with_their_order() -> None:
    head = build(["b", "a", "stranger"], labels=("b", "a", "c"))
    assert head.labels == ("b", "a", "c")
    assert head.fitted["counts"] == [1, 1, 0]
    with pytest.raises(ValueError, match="distinct"):
        ClassifyOptions(labels=("a", "a"))


def test_class_numbers_and_booleans_are_names() -> None:
    assert build([0, 1, 1]).labels == ("0", "1")
    assert build([True, False]).labels == ("False", "True")


@pytest.mark.parametrize("labels", [[], [None]])
def test_fit_without_labels_says_so(labels: list[Any]) -> None:
    with pytest.raises(ValueError, match="no training row has a label"):
        build(labels)


def test_fit_with_one_label_says_so() -> None:
    with pytest.raises(ValueError, match='every training row has the label "a"'):
        build(["a", "a"])


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("positve", 'unknown label "positve"; did you mean "positive"?'),
        ("zzz", 'unknown label "zzz"; known are "negative", "positive"'),
        (["positive"], "head.multi: true"),
        (1.5, "expected the name of a label, got 1.5"),
    ],
)
def test_unfit_rows_say_why(label: Any, reason: str) -> None:
    head = build(["positive", "negative"])
    with pytest.raises(UnfitRow) as error:
        head.encode({"label": label}, NONE)
    assert reason in str(error.value)


def test_encode_single() -> None:
    head = build(["a", "b"])
    assert [head.encode(row, NONE)["label"].tolist() for row in ({"label": "b"}, {"label": None}, {})] == [
        [1],
        [MISSING],
        [MISSING],
    ]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (["a", "c"], [1, 0, 1]),
        ([], [0, 0, 0]),
        ("b", [0, 1, 0]),
        (None, [MISSING] * 3),
        ({"a": True, "b": False, "c": None}, [1, 0, MISSING]),
        ({"b": True}, [MISSING, 1, MISSING]),
        ({"a": None}, [MISSING] * 3),
    ],
)
def test_encode_multi(label: Any, expected: list[int]) -> None:
    head = build([["a", "b"], ["c"]], multi=True)
    assert head.encode({"label": label}, NONE)["label"].tolist() == expected


def test_fit_multi_counts_what_is_known() -> None:
    rows: list[Row] = [{"label": x} for x in (["a"], ["a", "b"], [], {"a": False, "b": None}, {"b": True}, None)]
    fitted = Classify.fit(rows, ClassifyOptions(multi=True))
    assert fitted == {
        "labels": ["a", "b"],
        "counts": [2, 2],
        "known": [4, 4],
    }  # of a: 3 lists and a False; of b: 3 lists and a True


def test_balanced_weights_average_to_one_over_the_training_rows() -> None:
    labels = ["a"] * 6 + ["b"] * 3 + ["c"]
    head = build(labels, class_weights="balanced")
    states, targets = batch(head, labels)
    weights = torch.tensor([10 / 18, 10 / 9, 10 / 3])[targets["label"]]
    assert_close(weights.mean(), torch.tensor(1.0))
    each = F.cross_entropy(head.logits(states), targets["label"], reduction="none")
    assert_close(head.loss(states, targets).mean(), (each * weights).mean())


def test_balanced_multi_weighs_positives_against_negatives() -> None:
    labels = [["a"], ["a", "b"], ["a"], []]
    head = build(labels, multi=True, class_weights="balanced")
    assert head.weights is not None
    assert_close(head.weights, torch.tensor([1 / 3, 3.0]))


def test_a_label_never_seen_weighs_one() -> None:
    head = build(["a", "a", "b"], labels=("a", "b", "c"), class_weights="balanced")
    assert head.weights is not None
    assert_close(head.weights, torch.tensor([0.75, 1.5, 1.0]))


def test_multi_loss_is_the_mean_over_known_labels() -> None:
    head = build([["a"], ["b"]], multi=True, label_smoothing=0.2)
    states, targets = batch(head, [["a"], {"a": None, "b": True}, None])
    logits = head.logits(states)
    goals, of = torch.tensor([0.9, 0.1, 0.9]), torch.stack([logits[0, 0], logits[0, 1], logits[1, 1]])
    loss = head.loss(states, targets)
    assert loss.units == 3
    assert_close(loss.mean(), F.binary_cross_entropy_with_logits(of, goals))


def test_predictions_hold_probabilities_and_the_best_label() -> None:
    head = build(["a", "b", "c"])
    for prediction in head.predict(*batch(head, ["a"] * 5)):
        assert sum(prediction["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert prediction["score"] == prediction["scores"][prediction["label"]] == max(prediction["scores"].values())


def test_multi_predictions_are_those_from_the_threshold_on() -> None:
    head = build([["a"], ["b"]], multi=True, threshold=0.45)
    for prediction in head.predict(*batch(head, [[]] * 8)):
        assert prediction["labels"] == [n for n, p in prediction["scores"].items() if p >= 0.45]
