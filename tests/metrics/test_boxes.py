"""Scores of boxes: cases whose answer is known."""

from __future__ import annotations

import pytest

from unisono.metrics import score_boxes

pytest.importorskip("faster_coco_eval")


def box(label: str, *sides: float, score: float | None = None) -> dict:
    return {"label": label, "box": list(sides), **({} if score is None else {"score": score})}


GOLD = [
    {"boxes": [box("cell", 0, 0, 10, 10), box("cell", 20, 20, 40, 40), box("dust", 50, 50, 60, 60)]},
    {"boxes": []},
    {"boxes": None},
]


def said(*first: dict, second: tuple[dict, ...] = ()) -> list[dict]:
    return [{"boxes": list(first)}, {"boxes": list(second)}, {"boxes": [box("cell", 0, 0, 5, 5, score=1.0)]}]


def test_all_boxes_right_is_one():
    found = score_boxes(said(*[{**b, "score": 0.9} for b in GOLD[0]["boxes"]]), GOLD)
    assert found["map"] == pytest.approx(1)
    assert found["map50"] == pytest.approx(1)
    assert found["rows"] == 2


def test_one_of_two_found_is_half_and_a_class_counts_as_much_as_another():
    found = score_boxes(said(box("cell", 0, 0, 10, 10, score=0.9)), GOLD)
    assert found["ap50/cell"] == pytest.approx(51 / 101)  # precision 1 up to a recall of 0.5, of 101 levels
    assert found["ap50/dust"] == 0
    assert found["map50"] == pytest.approx(51 / 202)


def test_a_false_box_of_a_better_score_costs():
    right = [{**b, "score": 0.5} for b in GOLD[0]["boxes"]]
    found = score_boxes(said(*right, second=(box("dust", 0, 0, 9, 9, score=0.9),)), GOLD)
    assert found["ap50/dust"] == pytest.approx(0.5)
    assert found["ap50/cell"] == pytest.approx(1)


def test_a_loose_box_counts_at_small_overlaps_alone():
    found = score_boxes(said(box("dust", 50, 50, 60, 57, score=0.9)), GOLD)  # overlap 0.7
    assert found["ap50/dust"] == pytest.approx(1)
    assert found["map"] == pytest.approx(0.5 * 5 / 10)  # right at 0.5, 0.55, 0.6, 0.65, 0.7; of two classes


def test_nothing_said_and_nothing_known():
    assert score_boxes(said(), GOLD)["map50"] == 0
    assert score_boxes([{"boxes": []}], [{"boxes": None}]) == {}
    assert score_boxes([{"boxes": []}], [{"boxes": []}]) == {}
