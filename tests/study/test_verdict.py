"""What a comparison says: who gained, who lost, whether that is enough, and which gradients conflict."""

from __future__ import annotations

import json
import math

import pytest

from unisono.study.conflicts import Conflict, conflicts, gradients
from unisono.study.difference import Interval
from unisono.study.verdict import enough, sentence, warnings

UP, DOWN, UNCLEAR = Interval(3.0, 1.0, 5.0), Interval(-3.0, -5.0, -1.0), Interval(0.5, -1.0, 2.0)
UNKNOWN = Interval(math.nan, math.nan, math.nan)


def test_the_evidence_is_enough_when_the_interval_excludes_0_over_several_seeds():
    assert enough(UP, 3) and enough(DOWN, 2)
    assert not enough(UNCLEAR, 9) and not enough(UP, 1) and not enough(UNKNOWN, 3)


def test_the_sentence_names_who_gained_and_who_lost():
    said = sentence({"ner": UP, "mt": DOWN, "sts": UNCLEAR}, UNCLEAR, seeds=3)
    assert "ner gained; mt lost; sts shows no clear difference" in said
    assert "+0.5 % (95 % interval -1.0 to +2.0 %)" in said
    assert "3 seeds is not enough to say whether it helped or hurt" in said and "--seeds 6" in said


@pytest.mark.parametrize(("mean", "word"), [(UP, "helped"), (DOWN, "hurt")])
def test_the_sentence_says_what_the_evidence_shows(mean, word):
    said = sentence({"a": mean, "b": mean}, mean, seeds=3)
    assert f"The evidence is enough to say that it {word} over 3 seeds." in said
    assert "One seed is no evidence" in sentence({"a": mean}, mean, seeds=1)


def test_nothing_to_compare_with():
    assert "nothing to compare with" in sentence({"a": UNKNOWN}, UNKNOWN, seeds=3)


def test_negative_transfer_names_the_pair_and_the_layers():
    against = [Conflict(("mt", "sts"), ("layer.5",), -0.4), Conflict(("mt", "ner"), ("layer.3", "layer.2"), -0.2)]
    (line,) = warnings({"ner": DOWN, "mt": UP, "sts": UNCLEAR}, against, measured=True)
    assert line == (
        "negative transfer: ner lost 3.0 % (95 % interval -5.0 to -1.0 %); its gradient conflicts with that of mt "
        "in layer.3, layer.2 (mean cosine -0.20)"
    )
    (line,) = warnings({"ner": DOWN}, [], measured=True)
    assert "no conflict of gradients was measured; --grid" in line
    (line,) = warnings({"ner": UNKNOWN}, [], measured=False)
    assert "ner scores 0 alone" in line


def event(step: int, cosine: float, **more) -> dict:
    """Two tasks, in conflict in one layer and at peace in another."""
    layers = {"layer.0": 0.3, "layer.1": cosine, "all": cosine / 2} | more
    return {
        "event": "gradients",
        "step": step,
        "tasks": ["a", "b"],
        "cosines": {n: [[1, c], [c, 1]] for n, c in layers.items()},
    }


def test_conflicts_are_found_in_the_layers_that_have_them(tmp_path):
    events = [event(1, -0.5), event(2, -0.3), event(3, -0.4)]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in [{"event": "stepped"}, *events]))
    (found,) = conflicts(gradients([tmp_path]))
    assert found == Conflict(("a", "b"), ("layer.1",), pytest.approx(-0.2))


def test_noise_about_0_and_gaps_are_no_conflict():
    assert conflicts([event(i, c) for i, c in enumerate([-0.3, 0.2, -0.2, 0.25])]) == []
    alone = {"event": "gradients", "tasks": ["a"], "cosines": {"all": [[1.0]]}}
    gap = {"event": "gradients", "tasks": ["a", "b"], "cosines": {"all": [[1.0, None], [None, 1.0]]}}
    assert conflicts([alone, gap]) == []


def test_pairs_in_any_order_are_one_pair_and_the_worst_comes_first():
    turned = {**event(2, -0.4), "tasks": ["b", "a"]}
    three = {
        "event": "gradients",
        "tasks": ["a", "b", "c"],
        "cosines": {"all": [[1, -0.1, -0.9], [-0.1, 1, 0.5], [-0.9, 0.5, 1]]},
    }
    found = conflicts([event(1, -0.4), turned, three])
    assert [c.tasks for c in found] == [("a", "c"), ("a", "b")]
