"""The translate head: vocabulary, targets, learning, saving, several languages."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from unisono.heads.base import MISSING, UnfitRow
from unisono.heads.pieces import learn
from unisono.heads.translate import Translate
from unisono.packed import Packed
from unisono.runtime.pieces import BEGIN, END, Pieces

GERMAN = [
    "Zwei junge Männer sind im Freien.", "Ein kleines Mädchen klettert in ein Spielhaus.", "Ein Hund läuft.",
    "Zwei Männer stehen am Herd und bereiten Essen zu.", "Eine Frau liest ein Buch.", "Der Hund schläft.",
    "Ein Mann in grün hält eine Gitarre.", "Kinder spielen im Park mit einem Ball.",
]  # fmt: skip
FRENCH = [
    "Deux jeunes hommes sont dehors.", "Une petite fille grimpe.", "Un chien court.", "Deux hommes cuisinent.",
    "Une femme lit un livre.", "Le chien dort.", "Un homme tient une guitare.", "Des enfants jouent au ballon.",
]  # fmt: skip
WIDTH = 32
SMALL = {"layers": 2, "heads": 4, "vocabulary": 400, "dropout": 0.0, "max_length": 40}


def fitted(rows, **options):
    chosen = Translate.Options(**{**SMALL, **options})
    torch.manual_seed(0)
    return Translate(WIDTH, chosen, Translate.fit(rows, chosen))


def sources(count: int) -> Packed:
    torch.manual_seed(1)
    return Packed.join([torch.randn(3 + i // 2, WIDTH) for i in range(count)])


def batch(head, rows):
    return head.collate([head.encode(row, {"ids": np.arange(3, dtype=np.int32)}) for row in rows])


def train(head, states, targets, steps=60):
    optimizer = torch.optim.Adam(head.parameters(), lr=5e-3)
    losses = []
    for _ in range(steps):
        loss = head.loss(states, targets).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    head.eval()
    return losses


ONE = [{"source": "x", "target": text} for text in GERMAN]
TWO = [{"source": "x", "target": {"de": de, "fr": fr}} for de, fr in zip(GERMAN, FRENCH, strict=True)]


def test_eight_rows_are_learned_by_heart_and_survive_saving():
    head = fitted(ONE)
    states, targets = sources(8), batch(head, ONE)
    losses = train(head, states, targets)
    assert losses[-1] < 0.5 * losses[0]
    assert head.predict(states, targets) == [{"text": text} for text in GERMAN]
    assert head.predict(states, targets, beams=1) == [{"text": text} for text in GERMAN]
    again = Translate(WIDTH, head.options, json.loads(json.dumps(head.fitted))).eval()
    again.load_state_dict(head.state_dict())
    assert again.predict(states, {}) == [{"text": text} for text in GERMAN]


def test_two_languages_are_learned_at_once_by_a_decoder_of_another_width():
    head = fitted(TWO, width=48, languages=["de", "fr"])
    states, targets = sources(8), batch(head, TWO)
    train(head, states, targets)
    both = head.predict(states, targets)
    assert [p["texts"] for p in both] == [row["target"] for row in TWO]
    assert [(p["text"], p["language"]) for p in both] == [(text, "de") for text in GERMAN]
    assert head.predict(states, {}, language="fr") == [{"text": text, "language": "fr"} for text in FRENCH]
    with pytest.raises(ValueError, match="translates into de, fr"):
        head.predict(states, {}, language="cs")


def test_the_loss_of_several_languages_is_the_sum_of_each():
    head = fitted(TWO)
    states = sources(8)
    only = [[{"target": {name: row["target"][name]}} for row in TWO] for name in ("de", "fr")]
    both, de, fr = (head.loss(states, batch(head, rows)) for rows in (TWO, *only))
    assert_close(both.total, de.total + fr.total)
    assert both.units == de.units + fr.units == head.units(batch(head, TWO))


@pytest.mark.parametrize("rows", [ONE, TWO], ids=["one", "two"])
def test_missing_targets_cost_nothing(rows):
    head = fitted(rows)
    gaps = [{"target": None}, {}, *rows[:2], {"target": {"de": None}} if rows is TWO else {"target": None}, *rows[2:4]]
    states = sources(len(gaps))
    with_gaps = head.loss(states, batch(head, gaps))
    parts = states.split()
    without = head.loss(Packed.join([parts[i] for i in (2, 3, 5, 6)]), batch(head, rows[:4]))
    assert_close(with_gaps.total, without.total)
    assert with_gaps.units == without.units
    assert head.encode({}, {})["target"].tolist() == [MISSING]


def test_nothing_labelled_costs_nothing_but_stays_connected():
    head = fitted(ONE)
    states = Packed(sources(2).values.requires_grad_(), sources(2).layout)
    loss = head.loss(states, batch(head, [{"target": None}, {}]))
    assert loss.units == 0
    loss.mean().backward()
    assert not states.values.grad.any()


def test_a_long_target_is_cut_without_an_end_and_an_empty_one_refused():
    head = fitted(ONE, max_length=5)
    ids = head.encode(ONE[0], {})["target"]
    assert ids.dtype == np.int32 and len(ids) == 6 and ids[0] == BEGIN and END not in ids
    assert all(len(head.pieces.encode(p["text"])) <= 5 for p in head.predict(sources(3), {}))
    for text in ("", "  "):
        with pytest.raises(UnfitRow, match="empty target"):
            head.encode({"target": text}, {})


def test_strange_languages_are_refused():
    head = fitted(TWO)
    with pytest.raises(UnfitRow, match="'cs' is none of de, fr"):
        head.encode({"target": {"cs": "Pes spí."}}, {})
    with pytest.raises(UnfitRow, match="de, fr"):
        head.encode({"target": "Der Hund schläft."}, {})
    with pytest.raises(UnfitRow, match="one language"):
        fitted(ONE).encode(TWO[0], {})


def test_languages_come_from_the_options_or_from_the_rows():
    assert fitted(TWO).fitted["languages"] == ["de", "fr"]
    assert fitted(TWO, languages=["fr", "de"]).fitted["languages"] == ["fr", "de"]
    assert fitted([{"target": {"de": text}} for text in GERMAN]).fitted["languages"] == []
    with pytest.raises(ValueError, match="names one language twice"):
        fitted(TWO, languages=["de", "de"])
    with pytest.raises(ValueError, match="no training row has a target"):
        fitted([{"target": None}])


def test_predictions_do_not_depend_on_order_or_neighbours():
    head = fitted(ONE).eval()
    states = sources(8)
    shuffled = [5, 0, 7, 2, 2, 6]
    texts = head.predict(states, {}, max_new=9)
    parts = states.split()
    assert head.predict(Packed.join([parts[i] for i in shuffled]), {}, max_new=9) == [texts[i] for i in shuffled]


def test_every_option_is_described():
    assert all(field.description for field in Translate.Options.model_fields.values())


def test_a_vocabulary_is_the_same_every_time():
    assert learn(GERMAN, size=400) == learn(GERMAN, size=400)
    assert len(Pieces(learn(GERMAN * 2, size=300))) == 300


PIECES = Pieces(learn(GERMAN, size=400, languages=["de"]), ["de"])


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=30) | st.sampled_from(["</s>", "<de><pad>", "你好 🤖", "a\u0000b", " zwei  Hunde \n", "e\u0301"])
)
def test_every_text_comes_back(text):
    ids = PIECES.encode(text)
    assert all(i >= PIECES.specials for i in ids)
    assert PIECES.decode([PIECES.begin("de"), *ids, END]) == unicodedata.normalize("NFC", text)
