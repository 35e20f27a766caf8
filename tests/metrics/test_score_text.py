"""Text scores are sacreBLEU's, per language and their mean."""

from __future__ import annotations

import pytest
import sacrebleu

from unisono.metrics import score_captions, score_text

SAID = ["the cat sat on the mat today", "a man is riding a brown horse"]
GOLD = ["the cat sat on the mat", "a man rides a brown horse"]


def test_one_language() -> None:
    scores = score_text([{"text": s} for s in [*SAID, "left out"]], [*({"target": g} for g in GOLD), {"target": None}])
    assert scores == pytest.approx(
        {
            "bleu": sacrebleu.corpus_bleu(SAID, [GOLD]).score,
            "chrf": sacrebleu.corpus_chrf(SAID, [GOLD]).score,
            "rows": 2,
        }
    )


def test_the_right_text_scores_a_hundred() -> None:
    scores = score_text([{"text": g} for g in GOLD], [{"target": g} for g in GOLD])
    assert scores == pytest.approx({"bleu": 100, "chrf": 100, "rows": 2})


def test_several_languages_each_by_itself() -> None:
    predictions = [{"text": s, "language": "en", "texts": {"en": s, "de": "ein Mann"}} for s in SAID]
    rows = [{"target": {"en": GOLD[0], "de": None}}, {"target": {"en": GOLD[1], "de": "ein Mann mit Hut im Wald"}}]
    scores = score_text(predictions, rows)
    assert scores["bleu/en"] == pytest.approx(sacrebleu.corpus_bleu(SAID, [GOLD]).score)
    assert scores["chrf/de"] == pytest.approx(sacrebleu.corpus_chrf(["ein Mann"], [["ein Mann mit Hut im Wald"]]).score)
    for metric in ("bleu", "chrf"):
        assert scores[metric] == pytest.approx((scores[f"{metric}/en"] + scores[f"{metric}/de"]) / 2)
    assert scores["rows"] == 3


def test_a_prediction_in_one_language_is_scored_in_it() -> None:
    rows = [{"target": {"en": g, "de": "etwas anderes"}} for g in GOLD]
    scores = score_text([{"text": g, "language": "en"} for g in GOLD], rows)
    assert scores.keys() == {"bleu", "chrf", "bleu/en", "chrf/en", "rows"}
    assert scores["bleu"] == pytest.approx(100)
    assert score_text([{"text": g} for g in GOLD], [{"target": {"en": g}} for g in GOLD])["bleu"] == pytest.approx(100)


def test_chinese_is_split_by_its_own_rule() -> None:
    said, gold = "我喜欢吃苹果和香蕉", "我喜欢吃苹果和梨子"
    scores = score_text([{"text": said, "language": "zh"}], [{"target": {"zh": gold}}])
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu([said], [[gold]], tokenize="zh").score)


def test_nothing_labelled_has_no_scores() -> None:
    assert score_text([{"text": "a"}, {"text": "b", "language": "de"}], [{}, {"target": {"de": None, "fr": "b"}}]) == {}
    assert score_text([], []) == {}


def test_captions_with_one_reference_or_several() -> None:
    rows = [{"caption": [GOLD[0], "the cat sat on the mat today"]}, {"caption": GOLD[1]}, {"caption": None}]
    scores = score_captions([{"text": s} for s in [*SAID, "left out"]], rows)
    refs = [GOLD, ["the cat sat on the mat today", None]]
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu(SAID, refs).score)
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(SAID, refs).score)
    one = score_captions([{"text": s} for s in SAID], [{"caption": g} for g in GOLD])
    assert scores["rows"] == 2 and scores["bleu"] > one["bleu"] > 0
    assert score_captions([{"text": "x"}], [{"caption": None}]) == {}
