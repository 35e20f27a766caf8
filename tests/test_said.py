"""Predictions as lines: the words in their place, colours only where they are wanted."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from unisono.said import heading, said

SENTENCE = "Wake me on Friday, please."
TAGGED = {
    "words": ["Wake", "me", "on", "Friday", ",", "please", "."],
    "tags": ["O", "O", "O", "B-DATE", "O", "O", "O"],
    "entities": [{"type": "DATE", "start": 3, "end": 4}],
}
CONTEXT = "It was in Ulm that Einstein was born, in 1879; later on he went to live in Switzerland and in America."


def printed(text, **console) -> str:
    out = io.StringIO()
    Console(file=out, soft_wrap=True, highlight=False, **console).print(text)
    return out.getvalue().rstrip("\n")


def test_entities_stand_in_their_sentence():
    assert said(TAGGED, SENTENCE).plain == "Wake me on [Friday DATE], please."
    untyped = {"tags": TAGGED["tags"], "entities": [{"type": "DATE", "start": 2, "end": 4}]}
    assert said(untyped, {"tokens": TAGGED["words"]}).plain == "Wake me [on Friday DATE] , please ."
    assert said({**TAGGED, "entities": []}, SENTENCE).plain == "no entities"


def test_neighbouring_entities_stay_apart():
    two = {**TAGGED, "entities": [{"type": "A", "start": 0, "end": 1}, {"type": "B", "start": 1, "end": 3}]}
    assert said(two, SENTENCE).plain == "[Wake A] [me on B] Friday, please."


def test_colours_are_for_terminals_and_each_type_has_its_own():
    line = said({**TAGGED, "entities": [*TAGGED["entities"], {"type": "ACT", "start": 0, "end": 1}]}, SENTENCE)
    assert "\x1b" not in printed(line)
    coloured = printed(line, force_terminal=True, color_system="standard")
    assert "\x1b[1;36mWake\x1b[0m" in coloured and "\x1b[1;35mFriday\x1b[0m" in coloured


@pytest.mark.parametrize(
    ("prediction", "given", "line"),
    [
        ({"tags": ["DET", "NOUN"]}, "the dog", "the/DET dog/NOUN"),
        ({"label": "a", "score": 0.61, "scores": {"a": 0.61, "b": 0.35, "c": 0.04}}, "x", "a 0.61 · b 0.35"),
        ({"labels": ["p", "q"], "scores": {"p": 0.5, "q": 0.9}}, "x", "q 0.90, p 0.50"),
        (
            {"labels": list("abcdefghij"), "scores": dict.fromkeys("abcdefghij", 0.6)},
            "x",
            ", ".join(f"{name} 0.60" for name in "abcdefgh") + " and 2 more",
        ),
        ({"labels": [], "scores": {"p": 0.2, "q": 0.4}}, "x", "none   nearest: q 0.40"),
        ({"value": -1.65213}, "CCO", "-1.652"),
        ({"value": 65213.4}, "CCO", "65,213"),
        ({"text": "hallo"}, "hello", "hallo"),
        ({"text": ""}, "a.wav", "nothing"),
        ({"text": "", "start": None, "end": None, "score": -1.0}, {"context": CONTEXT}, "no answer"),
        ({"boxes": []}, "a.png", "no boxes"),
        ({"boxes": [{"label": "c", "score": 0.1}]}, "a.png", "no boxes; 1 of a score below 0.3"),
        (
            {"boxes": [{"label": n, "score": s} for n, s in (("c", 0.9), ("d", 0.8), ("d", 0.7), ("c", 0.1))]},
            "a.png",
            "2 d · 1 c   and 1 of a score below 0.3",
        ),
        ({"runs": [], "shares": {"sky": 0.2, "road": 0.797, "car": 0.003}}, "a.png", "road 80% · sky 20%"),
        ({"similarity": 0.5, "vectors": {"text": [1, 0], "image": [0, 1]}}, "x", "0.50"),
        ({"similarity": None, "vectors": {"text": [1, 0]}}, "x", "text: a vector of 2 numbers"),
        ({"mel": [[0]], "seconds": 0.612, "speaker": "jo"}, "seven", "0.6 s of sound in the voice of jo"),
        (
            {"hidden": [{"was": None, "said": [[" a", 0.5], ["b", 0.2]]}, {"was": "c", "said": [["d", 0.9]]}]},
            "x [MASK] c",
            "a 0.50 b 0.20 · d 0.90 (was c)",
        ),
        ({"values": {"at": [1, 2], "l1": 0.5}}, "a.png", "2 hidden   mean error 0.50 of a spread of 1"),
        ({"anything": [1]}, "x", '{"anything": [1]}'),
    ],
)
def test_every_kind_has_its_line(prediction, given, line):
    assert said(prediction, given).plain == line


def test_an_answer_is_shown_where_it_stands():
    start = CONTEXT.index("1879")
    line = said({"text": "1879", "start": start, "end": start + 4, "score": 3.0}, {"context": CONTEXT}).plain
    assert line.startswith("1879   in: … was in Ulm that")
    assert "born, in [1879]; later" in line and line.endswith("live in …") and len(line) < len(CONTEXT)


def test_the_input_is_named_by_role_and_long_values_are_cut():
    assert heading("a sentence").plain == "a sentence"
    line = heading({"question": "why?", "context": "x" * 1000, "tokens": ["a", "b"]}).plain
    assert line.startswith("question: why?  context: xxx") and line.endswith("…  tokens: a b") and len(line) < 220
