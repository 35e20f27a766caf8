"""Tag schemes: detection, rules, spans and spelling, against the plain reading of each scheme."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unisono.heads import MISSING
from unisono.heads.scheme import closed, detect, feasible, rewrite
from unisono.runtime.scheme import Name, Scheme, parse

TAGS: dict[Name, list[str]] = {
    "BIO": ["B-A", "B-B", "I-A", "I-B", "O"],
    "IOB1": ["B-A", "B-B", "I-A", "I-B", "O"],
    "BIOES": sorted(["O", *(f"{r}-{t}" for r in "BIES" for t in "AB")]),
}


def spell(name: Name, entities: list[tuple[str, int, int]], words: int) -> list[str]:
    """A sentence's tags, from sorted entities that do not overlap: the definition of each scheme."""
    out = ["O"] * words
    before = ("", -1)
    for kind, start, end in entities:
        for i in range(start, end):
            role = "I"
            if name == "BIOES":
                role = "S" if end - start == 1 else "B" if i == start else "E" if i == end - 1 else "I"
            elif i == start and (name == "BIO" or before == (kind, start)):
                role = "B"
            out[i] = f"{role}-{kind}"
        before = (kind, end)
    return out


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[tuple[str, int, int]], int]:
    entities, at = [], 0
    for kind, gap, length in draw(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 2), st.integers(1, 3)))):
        entities.append((kind, at + gap, at + gap + length))
        at += gap + length
    return entities, at + draw(st.integers(0, 2))


def numbered(scheme: Scheme, tags: list[str]) -> np.ndarray:
    return np.array([scheme.number[t] for t in tags], dtype=np.int32)


def spans(scheme: Scheme, tags: np.ndarray) -> list[tuple[str, int, int]]:
    start, end = scheme.spans(tags, np.arange(len(tags)) == 0)
    return [(str(scheme.types[tags[a]]), int(a), int(b)) for a, b in zip(start, end, strict=True)]


@pytest.mark.parametrize("name", TAGS)
@given(sentences())
def test_well_spelled_sentences_are_valid_and_read_back(
    name: Name, sentence: tuple[list[tuple[str, int, int]], int]
) -> None:
    scheme = Scheme(name, TAGS[name])
    tags = numbered(scheme, spell(name, *sentence))
    assert scheme.valid(tags)
    assert feasible(scheme, tags)
    assert spans(scheme, tags) == sentence[0]
    assert rewrite(scheme, tags).tolist() == tags.tolist()


@pytest.mark.parametrize("name", TAGS)
@given(st.lists(st.integers(0, 4), max_size=7))
def test_any_sentence_is_spelled_anew_with_its_entities(name: Name, tags: list[int]) -> None:
    scheme, odd = Scheme(name, TAGS[name]), np.array(tags, dtype=np.int32)
    good = rewrite(scheme, odd)
    assert scheme.valid(good)
    assert spans(scheme, good) == spans(scheme, odd)
    names = [scheme.tags[t] for t in good]
    assert names == spell(name, spans(scheme, odd), len(tags))
    assert scheme.valid(odd) == (good.tolist() == tags)  # valid is what needs no new spelling


@pytest.mark.parametrize("name", TAGS)
@settings(max_examples=50)
@given(st.lists(st.sampled_from([MISSING, 0, 2, 4]), max_size=4))
def test_feasible_is_that_some_filling_is_valid(name: Name, tags: list[int]) -> None:
    scheme = Scheme(name, TAGS[name])
    choices = [range(len(scheme.tags)) if t == MISSING else [t] for t in tags]
    expected = any(scheme.valid(np.array(filled, dtype=int)) for filled in itertools.product(*choices))
    assert feasible(scheme, np.array(tags, dtype=np.int32)) == expected


def test_spans_of_many_sentences_at_once_are_those_of_each() -> None:
    scheme = Scheme("BIO", TAGS["BIO"])
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 5, n) for n in (3, 1, 6, 2, 8)]
    heads = np.concatenate([np.arange(len(p)) == 0 for p in parts])
    start, end = scheme.spans(np.concatenate(parts), heads)
    offsets = np.cumsum([0, *map(len, parts)])
    expected = [(a + o, b + o) for p, o in zip(parts, offsets, strict=False) for _, a, b in spans(scheme, p)]
    assert list(zip(start.tolist(), end.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["O", "B-PER", "I-PER"], "BIO"),
        (["O", "B-PER"], "BIO"),
        (["O", "B", "I"], "BIO"),
        (["O", "B-PER", "I-PER", "E-PER", "S-PER"], "BIOES"),
        (["O", "B-PER", "I-PER", "L-PER", "U-PER"], "BIOES"),
        (["B", "M", "E", "S"], "BIOES"),
        (["NOUN", "VERB", "ADJ"], "plain"),
        (["NN", "IN", "O"], "plain"),
        (["O"], "plain"),
        (["S", "N"], "plain"),
        (["O", "PER", "LOC"], "plain"),
    ],
)
def test_detects_the_scheme_from_the_names(tags: list[str], expected: Name) -> None:
    assert detect(tags) == expected


def test_tells_iob1_by_how_entities_begin() -> None:
    assert detect(["O", "B-A", "I-A"], inside_starts=9, starts=10) == "IOB1"
    assert detect(["O", "B-A", "I-A"], inside_starts=1, starts=10) == "BIO"


def test_closes_the_tags_under_the_scheme() -> None:
    assert closed(["O", "I-A"], "BIO") == ["B-A", "I-A", "O"]
    assert closed(["O", "S-A", "S-B"], "BIOES") == sorted(["O", *(f"{r}-{t}" for r in "BIES" for t in "AB")])
    assert closed(["O", "U-A"], "BIOES") == ["B-A", "E-A", "I-A", "O", "U-A"]
    assert closed(["B", "M", "E", "S"], "BIOES") == ["B", "E", "M", "S"]
    assert closed(["X", "A"], "plain") == ["A", "X"]
    with pytest.raises(ValueError, match='"NOUN" is not written in the scheme BIO'):
        closed(["O", "NOUN"], "BIO")


def test_reads_tags() -> None:
    assert parse("B-PER") == ("B", "PER")
    assert parse("L-a-b") == ("E", "a-b")
    assert parse("M") == ("I", "_")
    assert parse("O") == ("O", "")
    assert parse("NOUN") is None
    assert parse("BX") is None
    assert parse("") is None
