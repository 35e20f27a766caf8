"""tag: where words stand in the pack, words cut off, schemes, and speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.counting import calls
from unisono.heads import MISSING, Prediction, Row, UnfitRow
from unisono.heads.tag import Tag, TagOptions
from unisono.packed import Layout, Packed

torch.set_num_threads(1)

WIDTH = 8
ROWS: list[Row] = [
    {"tags": ["B-PER", "I-PER", "O"]},
    {"tags": ["O", "B-LOC", "B-LOC", "I-LOC"]},
    {"tags": ["O", "O"]},
]


def build(rows: list[Row] = ROWS, **options: Any) -> Tag:
    torch.manual_seed(0)
    chosen = TagOptions(**options)
    return Tag(WIDTH, chosen, Tag.fit(rows, chosen)).eval()


def tokens(words: list[int], length: int) -> dict[str, np.ndarray]:
    return {"ids": np.zeros(length, np.int32), "words": np.array(words, np.int32)}


def saying(
    head: Tag, sentences: list[list[str | None]], words: list[list[int]], lengths: list[int]
) -> list[Prediction]:
    """What the head predicts where the states speak for these tags (None: for all alike)."""
    head.readout = torch.nn.Identity()  # type: ignore[assignment]  # states are the logits
    seen = [tokens(w, n) for w, n in zip(words, lengths, strict=True)]
    states = [torch.zeros(n, len(head.tags)) for n in lengths]
    for row, tags, places in zip(states, sentences, words, strict=True):
        for tag, place in zip(tags, places, strict=True):
            if tag is not None and place >= 0:
                row[place, head.scheme.number[tag]] = 5.0
    targets = head.collate([{**s, **head.encode({}, s)} for s in seen])
    return head.predict(Packed(torch.cat(states), Layout(lengths)), targets)


def test_fit_finds_tags_counts_and_scheme() -> None:
    fitted = Tag.fit([*ROWS, {}, {"tags": None}], TagOptions())
    assert fitted == {"tags": ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"], "counts": [2, 1, 1, 1, 4], "scheme": "BIO"}


def test_fit_tells_iob1_from_bio() -> None:
    rows: list[Row] = [{"tags": ["I-PER", "I-PER", "O", "I-LOC"]}, {"tags": ["I-LOC", "B-LOC"]}]
    assert Tag.fit(rows, TagOptions())["scheme"] == "IOB1"
    noisy: list[Row] = [{"tags": ["B-PER", "I-PER", "O", "B-LOC"]}, {"tags": ["I-LOC", "B-LOC"]}]
    assert Tag.fit(noisy, TagOptions())["scheme"] == "BIO"


def test_fit_without_tags_says_so() -> None:
    with pytest.raises(ValueError, match="no training row has tags"):
        Tag.fit([{"tokens": ["a"]}], TagOptions())


def test_collate_counts_places_from_the_start_of_the_pack() -> None:
    head = build()
    seen = [tokens([1, 3, -1], 5), tokens([], 2), tokens([1, 2], 4)]
    rows: list[Row] = [{"tags": ["B-PER", "I-PER", "O"]}, {"tags": []}, {"tags": None}]
    targets = head.collate([{**s, **head.encode(r, s)} for s, r in zip(seen, rows, strict=True)])
    assert targets["index"].tolist() == [1, 3, 5 + 2 + 1, 5 + 2 + 2]
    assert targets["sentence"].tolist() == [0, 0, 2, 2]
    assert targets["word"].tolist() == [0, 1, 0, 1]
    assert targets["tags"].tolist() == [1, 3, MISSING, MISSING]
    assert targets["counts"].tolist() == [3, 0, 2]
    assert head.units(targets) == 2


def test_encode_names_the_nearest_tag_and_counts_words() -> None:
    head = build()
    with pytest.raises(UnfitRow, match='unknown tag "B-PERS"; did you mean "B-PER"\\?'):
        head.encode({"tags": ["B-PERS"]}, tokens([1], 3))
    with pytest.raises(UnfitRow, match="2 tags for 1 words"):
        head.encode({"tags": ["O", "O"]}, tokens([1], 3))


def test_odd_sequences_are_spelled_anew() -> None:
    head = build()
    odd = head.encode({"tags": ["O", "I-PER", "I-LOC", "I-LOC"]}, tokens([1, 2, 3, 4], 6))["tags"]
    assert [head.tags[i] for i in odd] == ["O", "B-PER", "B-LOC", "I-LOC"]


def test_a_crf_refuses_partial_tags_that_no_sequence_has() -> None:
    head = build(crf=True)
    head.encode({"tags": [None, "I-PER", None]}, tokens([1, 2, 3], 5))
    with pytest.raises(UnfitRow, match="no valid BIO sequence"):
        head.encode({"tags": ["O", "I-PER", None]}, tokens([1, 2, 3], 5))


def test_a_crf_has_no_label_smoothing() -> None:
    with pytest.raises(ValueError, match="label_smoothing has no meaning for a crf"):
        TagOptions(crf=True, label_smoothing=0.1)


@pytest.mark.parametrize("crf", [False, True])
def test_words_cut_off_are_outside_and_every_word_has_a_tag(crf: bool) -> None:
    said = saying(
        build(crf=crf),
        [["B-PER", "I-PER", None, None], [], ["B-LOC"], [None, None]],
        [[1, 2, -1, -1], [], [1], [-1, -1]],
        [4, 2, 3, 2],
    )
    assert [p["tags"] for p in said] == [["B-PER", "I-PER", "O", "O"], [], ["B-LOC"], ["O", "O"]]
    assert [p["entities"] for p in said] == [
        [{"type": "PER", "start": 0, "end": 2}],
        [],
        [{"type": "LOC", "start": 0, "end": 1}],
        [],
    ]


def test_a_word_without_tokens_takes_its_tag_from_its_neighbours() -> None:
    said = saying(build(), [["B-PER", None, "I-PER"], ["O", None, "O"]], [[1, -1, 2], [1, -1, 2]], [4, 4])
    assert [p["tags"] for p in said] == [["B-PER", "I-PER", "I-PER"], ["O", "O", "O"]]


def test_plain_tags_stand_alone_and_spell_no_entities() -> None:
    rows: list[Row] = [{"tags": ["NOUN", "NOUN", "VERB"]}]
    said = saying(build(rows), [["VERB", None, "VERB"]], [[1, -1, 3]], [5])
    assert said == [{"tags": ["VERB", "NOUN", "VERB"]}]  # a word without tokens: the most frequent


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES"])
def test_what_it_says_keeps_to_the_scheme(scheme: str, crf: bool) -> None:
    head = build(scheme=scheme, crf=crf)
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 12, 60)
    seen = [tokens(list(range(1, n + 1)), n + 2) for n in counts]
    targets = head.collate([{**s, **head.encode({}, s)} for s in seen])
    layout = Layout(n + 2 for n in counts)
    states = torch.randn(layout.total, WIDTH, generator=torch.Generator().manual_seed(0)) * 5
    for prediction in head.predict(Packed(states, layout), targets):
        tags = np.array([head.scheme.number[t] for t in prediction["tags"]])
        assert head.scheme.valid(tags)
        start, end = head.scheme.spans(tags, np.arange(len(tags)) == 0)
        assert [(e["start"], e["end"]) for e in prediction["entities"]] == list(zip(start, end, strict=True))
        assert [e["type"] for e in prediction["entities"]] == [head.scheme.types[tags[i]] for i in start]


def test_without_a_crf_it_says_the_most_probable_valid_sequence() -> None:
    head = build()
    logits = torch.randn(1, 3, len(head.tags), generator=torch.Generator().manual_seed(3)).log_softmax(-1)
    best, score = None, -np.inf
    for tags in np.ndindex(*[len(head.tags)] * 3):
        total = sum(float(logits[0, i, t]) for i, t in enumerate(tags))
        if head.scheme.valid(np.array(tags)) and total > score:
            best, score = tags, total
    assert tuple(head._decode(logits, torch.tensor([3]))[0].tolist()) == best


def test_the_end_of_a_sentence_cut_off_is_not_held_against_it() -> None:
    head = build(scheme="BIOES", crf=True)
    row: Row = {"tags": ["O", "B-PER", "I-PER", "E-PER"]}
    seen = tokens([1, 2, -1, -1], 4)  # B-PER is the last that was seen, and no sentence ends so
    targets = head.collate([{**seen, **head.encode(row, seen)}])
    loss = head.loss(Packed(torch.zeros(4, WIDTH), Layout([4])), targets)
    assert loss.units == 2
    assert loss.total < 10


def test_loss_is_the_mean_over_words() -> None:
    head = build()
    seen = [tokens([1, 2, 4], 6), tokens([1, 2, 3, 4], 6)]
    targets = head.collate([{**s, **head.encode(r, s)} for s, r in zip(seen, ROWS, strict=False)])
    states = Packed(torch.randn(12, WIDTH), Layout([6, 6]))
    logits = head.readout(states.values[[1, 2, 4, 7, 8, 9, 10]])
    gold = [1, 3, 4, 4, 0, 0, 2]
    expected = -logits.log_softmax(-1)[range(7), gold].mean()
    assert_close(head.loss(states, targets).mean(), expected)


def test_a_sentence_s_words_are_searched_together() -> None:
    """No Python for each word: a sentence costs some calls, however long it is."""
    head = build()
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 40, 500)
    seen = [tokens(list(range(1, n + 1)), n + 2) for n in counts]
    examples = [{**s, **head.encode({}, s)} for s in seen]
    layout = Layout(n + 2 for n in counts)
    states = Packed(torch.randn(layout.total, WIDTH), layout)  # untrained: nearly every sentence must be searched
    targets = head.collate(examples)
    assert calls(lambda: head.predict(states, targets)) < 16 * len(counts) + 2_000
