"""Entity scores against seqeval's numbers, for any sequence of tags."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unisono.metrics import score_tags
from unisono.metrics.entities import entities, spells_entities

TAGS = st.sampled_from(["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-a-b", "I-a-b", "E-a-b", "S-a-b", "B-LOC", "I-LOC"])
BARE = st.sampled_from(["O", "B", "I", "E", "S"])
Sentences = list[list[str]]


@st.composite
def sentences(draw: st.DrawFn, tags: st.SearchStrategy[str] = TAGS) -> tuple[Sentences, Sentences]:
    """Gold and predicted tags of equal lengths."""
    pairs = draw(st.lists(st.lists(st.tuples(tags, tags), min_size=1, max_size=8), min_size=1, max_size=5))
    return [[a for a, _ in p] for p in pairs], [[b for _, b in p] for p in pairs]


def score(gold: Sentences, said: Sentences) -> dict[str, float]:
    return score_tags([{"tags": t, "entities": []} for t in said], [{"tags": t} for t in gold])


@given(st.lists(TAGS | BARE, max_size=12))
def test_entities_are_those_of_seqeval(tags: list[str]) -> None:
    seqeval = pytest.importorskip("seqeval.metrics.sequence_labeling")
    assert entities(tags) == [(kind, a, b + 1) for kind, a, b in seqeval.get_entities(tags)]


@settings(deadline=None)
@given(sentences() | sentences(BARE))
def test_scores_are_those_of_seqeval(pair: tuple[Sentences, Sentences]) -> None:
    seqeval = pytest.importorskip("seqeval.metrics")
    gold, said = pair
    ours = score(gold, said)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ours["f1"] == pytest.approx(seqeval.f1_score(gold, said))
        assert ours["precision"] == pytest.approx(seqeval.precision_score(gold, said))
        assert ours["recall"] == pytest.approx(seqeval.recall_score(gold, said))
        assert ours["accuracy"] == pytest.approx(seqeval.accuracy_score(gold, said))
        types = {e[0] for t in (*gold, *said) for e in entities(t)}
        assert {name for name in ours if name.startswith("f1/")} == {f"f1/{t}" for t in types}
        if types:  # the report fails on none
            report = seqeval.classification_report(gold, said, output_dict=True)
            assert {t: ours[f"f1/{t}"] for t in types} == pytest.approx({t: report[t]["f1-score"] for t in types})
    assert ours["rows"] == len(gold)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O I-A I-A", [("A", 1, 3)]),
        ("B-A B-A", [("A", 0, 1), ("A", 1, 2)]),
        ("B-A I-B", [("A", 0, 1), ("B", 1, 2)]),
        ("I-A O I-A", [("A", 0, 1), ("A", 2, 3)]),
        ("S-A I-A", [("A", 0, 1), ("A", 1, 2)]),
        ("B-A L-A U-B", [("A", 0, 2), ("B", 2, 3)]),
        ("B M E S", [("_", 0, 3), ("_", 3, 4)]),
        ("", []),
    ],
)
def test_odd_sequences_are_read_kindly(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert entities(tags.split()) == expected


def test_parts_of_speech_have_an_accuracy_alone() -> None:
    scores = score_tags([{"tags": ["NOUN", "VERB"]}], [{"tags": ["NOUN", "ADJ"]}])
    assert scores == {"accuracy": 0.5, "rows": 1.0}
    assert not spells_entities(["NOUN", "O", "B"])
    assert not spells_entities(["O"])


def test_rows_without_tags_are_left_out() -> None:
    said = [{"tags": ["B-A", "O"]}, {"tags": ["O"]}, {"tags": ["B-A", "B-A"]}, {"tags": ["O"]}]
    rows = [{"tags": ["B-A", "O"]}, {"tags": None}, {"tags": ["B-A", None]}, {}]
    scores = score_tags(said, rows)
    assert scores == {"accuracy": 1.0, "f1": 1.0, "precision": 1.0, "recall": 1.0, "f1/A": 1.0, "rows": 2.0}
    assert score_tags(said[1:2], rows[1:2]) == {}
    assert score_tags([], []) == {}


def test_a_split_without_entities_is_scored_all_the_same() -> None:
    assert score([["O", "O"]], [["O", "O"]])["f1"] == 0.0


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="1 predicted tags for 2 gold tags"):
        score_tags([{"tags": ["O"]}], [{"tags": ["O", "O"]}])
    with pytest.raises(ValueError, match="1 predictions for 2 rows"):
        score_tags([{"tags": ["O"]}], [{}, {}])


def test_real_sentences_with_errors_score_as_in_seqeval(real_data: Path) -> None:
    seqeval = pytest.importorskip("seqeval.metrics")
    gold: Sentences = [[]]
    for line in (real_data / "ner/conll2003/valid.txt").read_text().splitlines()[:20000]:
        if line.strip() and not line.startswith("-DOCSTART-"):
            gold[-1].append(line.split()[-1])
        elif gold[-1]:
            gold.append([])
    gold = [tags for tags in gold if tags]
    said = [[gold[0][0] if (i * 31 + j) % 11 == 0 else t for j, t in enumerate(tags)] for i, tags in enumerate(gold)]
    scores = score(gold, said)
    assert 0.3 < scores["f1"] < 1
    assert scores["f1"] == pytest.approx(seqeval.f1_score(gold, said))
