"""Questions to several tasks: one pass, and the answers that each task gives alone."""

from __future__ import annotations

import itertools

import pytest
import torch

import unisono
from tests.train.runs import ROWS, TASKS, run, small
from unisono.model import MultiTaskModel
from unisono.runtime.questions import Question, Unanswerable
from unisono.together import answers

TEXTS = ["Wake me up at seven.", "Play something by Queen, please!", "Hi"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> MultiTaskModel:
    folder = tmp_path_factory.mktemp("together") / "run"
    fill = {"kind": "mask", "data": ROWS, "columns": {"text": "text"}}
    run(small(folder, {**TASKS, "fill": fill}, steps=3, evaluate_every=3))
    return unisono.load(folder)


def found(model: MultiTaskModel, questions: list[Question]) -> list:
    out = [None] * len(questions)
    for answer in answers(model, questions):
        if answer is not None and answer.last:
            assert out[answer.at] is None, "one last answer to each question"
            out[answer.at] = answer.found
    return out


def close(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    return a == pytest.approx(b, abs=1e-5) if isinstance(a, float) else a == b


def test_each_question_has_the_answer_that_its_task_gives_alone(model):
    questions = [
        Question("en-de", {"source": TEXTS[0]}, {"beams": 1}),
        Question("intent", {"text": TEXTS[1]}),
        Question("slots", {"tokens": TEXTS[1].split()}),
        Question("en-de", {"source": TEXTS[1]}),
        Question("intent", {"text": TEXTS[2]}),
        Question("fill", {"text": TEXTS[1]}),
        Question("en-de", {"source": TEXTS[2]}, {"beams": 1}),
    ]
    for question, answer in zip(questions, found(model, questions), strict=True):
        (alone,) = model.predict(question.task, [question.row], **question.options)
        assert close(answer, alone), question


def test_questions_share_one_pass_and_equal_inputs_one_sequence(model, monkeypatch):
    packs = []
    states = model.states
    monkeypatch.setattr(model, "states", lambda inputs, **how: (packs.append(inputs.layout), states(inputs, **how))[1])
    found(model, [Question("intent", {"text": TEXTS[0]}), Question("en-de", {"source": TEXTS[0]})] * 2)
    assert [pack.count for pack in packs] == [1]
    found(model, [Question("intent", {"text": text}) for text in TEXTS])
    assert packs[-1].count == 3 and list(packs[-1].lengths) == sorted(packs[-1].lengths)


def test_a_bad_question_spoils_no_other(model):
    questions = [
        Question("en-de", {"source": TEXTS[0]}, {"beams": 1, "language": "fr"}),
        Question("intent", {"text": TEXTS[0]}),
    ]
    bad, good = found(model, questions)
    assert isinstance(bad, Unanswerable) and "fr" in bad.reason
    assert good["label"] == model.predict("intent", [TEXTS[0]])[0]["label"]


def test_nothing_is_learned_and_no_question_has_no_answer(model):
    assert found(model, []) == []
    found(model, [Question("intent", {"text": TEXTS[0]})])
    assert not model.training and all(p.grad is None for p in model.parameters())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("beams", [1, 3])
def test_a_text_that_grows_ends_as_it_would_have_at_once(model, beams):
    question = Question("en-de", {"source": TEXTS[0]}, {"beams": beams}, partial=True)
    told = [answer for answer in answers(model, [question]) if answer is not None]
    (alone,) = model.predict("en-de", [question.row], beams=beams)
    assert [answer.last for answer in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].found == alone
    if beams == 1:
        shown = [answer.found["text"] for answer in told]
        assert len(shown) > 1 and all(len(a) <= len(b) for a, b in itertools.pairwise(shown))


def test_a_raw_text_is_tagged_as_predict_all_tags_it_and_shares_its_sequence(model, monkeypatch):
    packs = []
    states = model.states
    monkeypatch.setattr(model, "states", lambda inputs, **how: (packs.append(inputs.layout), states(inputs, **how))[1])
    _, raw, split = found(
        model,
        [
            Question("intent", {"text": TEXTS[1]}),
            Question("slots", {"tokens": TEXTS[1]}),
            Question("slots", {"tokens": TEXTS[2].split()}),
        ],
    )
    assert packs[0].count == 2
    whole = model.predict_all(TEXTS[1])["slots"]
    assert raw["tags"] == whole["tags"] and len(split["tags"]) == 1
