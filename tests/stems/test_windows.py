"""windows: every token of a context is in some window, framed as the library frames a pair, with its characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stems.test_text import KINDS, TEXTS, stem

QUESTION, CONTEXT = "Where was Mozart born?", " ".join(TEXTS)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80) | st.sampled_from([CONTEXT, *TEXTS])


def read(kind, question=QUESTION, context=CONTEXT, **options):
    return stem(kind, 512).windows([{"question": question, "context": context}], **{"stride": 8, **options})[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_pair_is_one_window_as_the_library_reads_it(kind):
    (window,) = read(kind, context=TEXTS[0])
    expected = stem(kind, 512).tokenizer(QUESTION, TEXTS[0], return_token_type_ids=True)
    assert window["ids"].tolist() == expected["input_ids"]
    assert window["types"].tolist() == expected["token_type_ids"]
    assert len(window["begins"]) == expected.sequence_ids(0).count(1)
    assert window["context"].tolist() == [expected.sequence_ids(0).index(1)]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(question=TEXT, context=TEXT, most=st.integers(6, 60), stride=st.integers(0, 40))
def test_windows_cover_the_context_and_overlap(kind, question, context, most, stride):
    found = read(kind, question, context, max_length=most, stride=stride)
    whole = read(kind, "", context, max_length=4096)
    if isinstance(whole, str):
        assert found == whole
        return
    ids = whole[0]["ids"][whole[0]["context"][0] :][: len(whole[0]["begins"])].tolist()
    spans = list(zip(whole[0]["begins"].tolist(), whole[0]["ends"].tolist(), strict=True))
    shared = min(stride, (most - stem(kind, 512).tokenizer.num_special_tokens_to_add(pair=True)) // 4)
    at = end = 0
    for n, window in enumerate(found):
        first, count = int(window["context"][0]), len(window["begins"])
        assert len(window["ids"]) <= most and count >= 1
        own = list(zip(window["begins"].tolist(), window["ends"].tolist(), strict=True))
        tokens = window["ids"][first : first + count].tolist()
        at = next(a for a in range(at, len(ids)) if ids[a : a + count] == tokens and spans[a : a + count] == own)
        if n and all(begin < until for begin, until in spans):
            assert at == end - shared, "windows overlap by as much as was asked for"
        end = at + count
    if all(begin < until for begin, until in spans):
        assert end == len(ids), "nothing is lost"


@pytest.mark.parametrize("kind", KINDS)
def test_characters_are_those_of_the_tokens(kind):
    (window,) = read(kind, context="  A café in\tSalzburg, 1756 ")
    pieces = ["  A café in\tSalzburg, 1756 "[a:b] for a, b in zip(window["begins"], window["ends"], strict=True)]
    assert "".join(pieces) == "AcaféinSalzburg,1756" or kind != "wordpiece"
    assert all(piece == piece.strip() for piece in pieces)
    assert "Salzburg" in "".join(pieces) and "1756" in "".join(pieces)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_question_leaves_room_for_the_context(kind):
    windows = read(kind, question=CONTEXT, context=CONTEXT, max_length=24, stride=50)
    assert len(windows) > 1 and all(len(w["ids"]) <= 24 for w in windows)
    assert min(len(w["begins"]) for w in windows[:-1]) >= 10


@pytest.mark.parametrize(("context", "most", "says"), [("\x00\x01", 64, "no token"), ("fine", 4, "no room")])
def test_what_cannot_be_read_says_why(context, most, says):
    assert says in read("wordpiece", context=context, max_length=most)


def test_an_emoji_of_several_tokens_is_one_character():
    (window,) = read("own", context="so \N{GRINNING FACE} there")
    covered = {"so \N{GRINNING FACE} there"[a:b] for a, b in zip(window["begins"], window["ends"], strict=True)}
    assert "\N{GRINNING FACE}" in covered
