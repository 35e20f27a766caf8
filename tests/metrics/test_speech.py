"""Speech scores against slow and obvious ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.metrics import higher_is_better, score_speakers, score_transcripts
from unisono.metrics.speech import equal_error_rate


def slow_eer(scores: list[float], same: list[bool]) -> float:
    """Every threshold from above to below; where the two shares cross, on the line between the thresholds."""
    equal, different = sum(same), len(same) - sum(same)
    before = (0.0, 1.0)  # nothing accepted: no false acceptance, all missed
    for threshold in sorted(set(scores), reverse=True):
        false = sum(s >= threshold and not x for s, x in zip(scores, same, strict=True)) / different
        missed = sum(s < threshold and x for s, x in zip(scores, same, strict=True)) / equal
        if false >= missed:
            (f, m), rise, fall = before, false - before[0], before[1] - missed
            part = (m - f) / (rise + fall)
            return f + part * rise
        before = (false, missed)
    raise AssertionError("at the lowest threshold all are accepted")


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40))
def test_equal_error_rate_is_that_of_all_thresholds(pairs: list[tuple[int, bool]]) -> None:
    scores, same = [float(s) for s, _ in pairs], [x for _, x in pairs]
    ours = equal_error_rate(np.array(scores), np.array(same))
    if all(same) or not any(same):
        assert ours is None
    else:
        assert ours == pytest.approx(slow_eer(scores, same), abs=1e-12)


def test_equal_error_rate_of_plain_cases() -> None:
    same = np.array([True, True, False, False])
    assert equal_error_rate(np.array([4.0, 3.0, 2.0, 1.0]), same) == 0
    assert equal_error_rate(np.array([1.0, 2.0, 3.0, 4.0]), same) == 1
    assert equal_error_rate(np.array([4.0, 2.0, 3.0, 1.0]), same) == 0.5
    assert equal_error_rate(np.zeros(4), same) == 0.5


def speakers(names: list[str], seed: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rng = np.random.default_rng(seed)
    predictions = []
    for _ in names:
        v = rng.normal(size=4)
        said = rng.choice(["a", "b"])
        predictions.append({"label": said, "scores": {"a": 0.5, "b": 0.5}, "vector": (v / np.linalg.norm(v)).tolist()})
    return predictions, [{"label": n} for n in names]


def test_speakers_are_scored_over_known_ones_and_over_all_pairs() -> None:
    predictions, rows = speakers([*"aabbz" * 4])
    scores = score_speakers(predictions, [*rows])
    known = [(p["label"], r["label"]) for p, r in zip(predictions, rows, strict=True) if r["label"] != "z"]
    assert scores["accuracy"] == pytest.approx(sum(a == b for a, b in known) / 16)
    assert scores["rows"] == 20
    pairs = [
        (float(np.dot(predictions[i]["vector"], predictions[j]["vector"])), rows[i]["label"] == rows[j]["label"])
        for i in range(20)
        for j in range(i)
    ]
    assert scores["eer"] == pytest.approx(slow_eer([s for s, _ in pairs], [x for _, x in pairs]), abs=1e-3)


def test_speakers_without_labels_or_pairs() -> None:
    predictions, _ = speakers(["a", "a"])
    assert score_speakers(predictions, [{"label": None}, {}]) == {}
    assert "eer" not in score_speakers(predictions, [{"label": "a"}, {"label": "a"}])


def distance(a: list[str], b: list[str]) -> int:
    table = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            swap = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(swap, table[i - 1][j] + 1, table[i][j - 1] + 1)
    return table[-1][-1]


WORDS = st.lists(st.sampled_from(["a", "bb", "abc", "B", "c."]), max_size=6).map(" ".join)


@given(st.lists(st.tuples(WORDS, WORDS.filter(bool)), min_size=1, max_size=5))
def test_error_rates_are_edit_distances_over_all_rows(pairs: list[tuple[str, str]]) -> None:
    pytest.importorskip("jiwer")
    scores = score_transcripts([{"text": s} for s, _ in pairs], [{"text": g} for _, g in pairs])
    wer = sum(distance(g.split(), s.split()) for s, g in pairs) / sum(len(g.split()) for _, g in pairs)
    cer = sum(distance([*g], [*s]) for s, g in pairs) / sum(len(g) for _, g in pairs)
    assert scores == pytest.approx({"wer": wer, "cer": cer, "word_accuracy": 1 - wer, "rows": len(pairs)})


def test_transcripts_without_a_text_and_spaces() -> None:
    pytest.importorskip("jiwer")
    assert score_transcripts([{"text": "a"}, {"text": "b"}], [{"text": None}, {}]) == {}
    assert score_transcripts([{"text": " a  b "}], [{"text": "a b\n"}])["wer"] == 0
    assert [higher_is_better(m) for m in ("wer", "cer", "eer", "word_accuracy")] == [False, False, False, True]
