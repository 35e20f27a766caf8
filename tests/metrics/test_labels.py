"""Label scores against scikit-learn and against hand counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from unisono.metrics import score_label_sets, score_labels

NAMES = ["a", "b", "c"]
SETS = st.lists(st.sampled_from(NAMES), unique=True)


def single(gold: list[Any], said: list[str]) -> dict[str, float]:
    return score_labels([{"label": s} for s in said], [{"label": g} for g in gold])


def several(gold: list[Any], said: list[list[str]], names: list[str] = NAMES) -> dict[str, float]:
    predictions = [{"labels": s, "scores": {n: float(n in s) for n in names}} for s in said]
    return score_labels(predictions, [{"label": g} for g in gold])


def test_single_by_hand() -> None:
    scores = single(["a", "a", "b", None], ["a", "b", "b", "a"])
    f1 = {"f1/a": 2 / 3, "f1/b": 2 / 3}
    assert scores == pytest.approx({"accuracy": 2 / 3, "macro_f1": 2 / 3, **f1, "matthews": 0.5, "rows": 3.0})


def test_of_two_labels_each_has_its_f1() -> None:
    gold, said = list("aabbbb"), list("abbbba")
    scores = single(gold, said)
    for label in "ab":
        assert scores[f"f1/{label}"] == pytest.approx(f1_score(gold, said, pos_label=label))
    assert not [name for name in single([*gold, "c"], [*said, "c"]) if name.startswith("f1/")]


def test_class_numbers_are_compared_by_name() -> None:
    assert single([0, 1, True], ["0", "1", "True"])["accuracy"] == 1.0


def test_one_answer_for_all_has_no_matthews() -> None:
    assert single(["a", "b"], ["a", "a"])["matthews"] == 0.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=8))
def test_several_are_those_of_scikit_learn(pairs: list[tuple[list[str], list[str]]]) -> None:
    gold, said = (np.array([[n in s for n in NAMES] for s in side]) for side in zip(*pairs, strict=True))
    scores = several([g for g, _ in pairs], [s for _, s in pairs])
    scores = {name: score for name, score in scores.items() if not name.startswith("roc_auc")}
    assert scores == pytest.approx(
        {
            "micro_f1": f1_score(gold, said, average="micro", zero_division=0),
            "macro_f1": f1_score(gold, said, average="macro", zero_division=0),
            "subset_accuracy": accuracy_score(gold, said),
            "rows": len(pairs),
        }
    )


def test_labels_not_known_do_not_count() -> None:
    scores = several([{"a": True, "b": None}, {"a": None}, {"b": False}, None], [["a", "b"], ["a"], ["b"], ["c"]])
    # known: a in row 0 (hit), b in row 2 (false alarm)
    assert scores == pytest.approx({"micro_f1": 2 / 3, "macro_f1": 1 / 3, "subset_accuracy": 0.5, "rows": 2.0})


def test_a_label_that_the_head_does_not_know_counts_as_missed() -> None:
    scores = several([["a", "new"]], [["a"]], names=["a"])
    assert scores == pytest.approx({"micro_f1": 2 / 3, "macro_f1": 0.5, "subset_accuracy": 0.0, "rows": 1.0})


def test_nothing_labelled_has_no_scores() -> None:
    assert single([None], ["a"]) == {}
    assert several([None, {"a": None}], [["a"], []]) == {}
    assert score_labels([], []) == {}
    assert score_label_sets([], []) == {}
    with pytest.raises(ValueError, match="1 predictions for 0 rows"):
        score_labels([{"label": "a"}], [])
