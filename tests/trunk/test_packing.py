"""A pack gives each sequence the states and gradients that it gets alone or padded, in every family."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from trunk_families import FAMILIES, PACKED, SETTINGS, padded_states, small, some_ids

from unisono.packed import Layout, Packed
from unisono.trunk import Trunk

LENGTHS = st.lists(st.integers(1, 24), min_size=1, max_size=7)


def test_families_pack_as_promised():
    assert {family for family in FAMILIES if small(family)[0].packs} == set(PACKED)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8, deadline=None)
@given(lengths=LENGTHS)
def test_states_equal_padded_ones(family, lengths):
    trunk, words, reference = small(family)
    ids = some_ids(lengths)
    with torch.no_grad():
        assert_close(trunk(ids.like(words(ids.values))).values, padded_states(reference, ids), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", PACKED)
def test_long_sequences_take_another_kernel_to_the_same_states(family):
    trunk, words, reference = small(family)
    ids = some_ids([150, 150, 130, 2])
    with torch.no_grad():
        assert_close(trunk(ids.like(words(ids.values))).values, padded_states(reference, ids), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["bert", "electra", "albert"])
def test_token_types_reach_the_encoder(family):
    trunk, words, reference = small(family)
    ids = some_ids([5, 9, 2])
    types = (torch.arange(16) % 3 == 0).long()
    states = trunk(ids.like(words(ids.values)), types).values
    assert_close(states, padded_states(reference, ids, types), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(states, trunk(ids.like(words(ids.values))).values, atol=1e-3)


@pytest.mark.parametrize("family", ["roberta", "distilbert", "modernbert"])
def test_families_without_types_ignore_them(family):
    trunk, words, _ = small(family)
    if family == "roberta":
        trunk, words = Trunk.from_config({"model_type": family, **SETTINGS[family], "type_vocab_size": 1})
        trunk.eval()
    vectors = (ids := some_ids([4, 3])).like(words(ids.values))
    assert_close(trunk(vectors, torch.ones(7, dtype=torch.long)).values, trunk(vectors).values)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_padded_ones(family):
    trunk, words, reference = small(family)
    ids = some_ids([7, 7, 3, 20, 1])
    weight = torch.linspace(-1, 1, trunk.width)
    for module in (trunk, words, reference):
        module.zero_grad()
    (trunk(ids.like(words(ids.values))).values.sin() * weight).sum().backward()
    (padded_states(reference, ids).sin() * weight).sum().backward()
    expected = {name: p.grad for name, p in reference.named_parameters()}
    checked = 0
    for name, parameter in trunk.encoder.named_parameters():
        if parameter.grad is not None or expected[name] is not None:
            assert_close(parameter.grad, expected[name], atol=2e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
            checked += 1
    assert checked > 10
    assert_close(words.weight.grad, reference.get_input_embeddings().weight.grad, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_sequence_sees_another(family):
    trunk, words, _ = small(family)
    one, other = some_ids([6, 11, 6]), some_ids([6, 11, 6], seed=1)
    changed = one.values.clone()
    changed[6:17] = other.values[6:17]
    with torch.no_grad():
        before = trunk(one.like(words(one.values))).split()
        after = trunk(one.like(words(changed))).split()
    assert_close(after[0], before[0], atol=1e-6, rtol=0)
    assert_close(after[2], before[2], atol=1e-6, rtol=0)
    assert not torch.allclose(after[1], before[1], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=5, deadline=None)
@given(lengths=LENGTHS, data=st.data())
def test_the_order_of_sequences_does_not_matter(family, lengths, data):
    order = data.draw(st.permutations(range(len(lengths))))
    trunk, words, _ = small(family)
    ids = some_ids(lengths)
    shuffled = Packed.join([ids.split()[i] for i in order])
    with torch.no_grad():
        states = trunk(ids.like(words(ids.values))).split()
        again = trunk(shuffled.like(words(shuffled.values))).split()
    for place, i in enumerate(order):
        assert_close(again[place], states[i], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "albert"])
def test_a_checkpointed_trunk_gives_the_same_gradients(family):
    torch.manual_seed(0)
    trunk, words = Trunk.from_config({"model_type": family, **SETTINGS[family]})  # dropout on: it must be drawn alike
    ids, first = some_ids([5, 9, 5]), some_ids([3, 3])
    found = []
    for on in (False, True):
        trunk.checkpoint(on)
        trunk.train()
        trunk.zero_grad()
        torch.manual_seed(1)
        states = trunk(ids.like(words(ids.values.detach()))).values
        trunk(first.like(words(first.values)))  # another pack between forward and backward must not confuse it
        states.square().sum().backward()
        found.append({n: p.grad for n, p in trunk.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, grad in found[0].items():
        assert_close(found[1][name], grad)


def test_checkpointing_a_family_without_it_is_an_error():
    with pytest.raises(ValueError, match="Albert"):
        small("albert")[0].checkpoint()


def test_a_family_that_cannot_pack_is_named_in_a_warning(caplog):
    with caplog.at_level(logging.WARNING, logger="unisono"):
        trunk, _ = Trunk.from_config({"model_type": "deberta-v2", **SETTINGS["deberta-v2"]})
    assert not trunk.packs
    assert "deberta-v2" in caplog.text and "padded" in caplog.text


def test_too_long_a_sequence_is_refused_with_advice():
    trunk, words, _ = small("roberta")
    assert trunk.positions == 158  # 160 rows, of which RoBERTa's family leaves out pad_token_id + 1
    ids = some_ids([159])
    with pytest.raises(ValueError, match="158"):
        trunk(ids.like(words(ids.values)))
    longest = some_ids([158, 1])
    assert trunk(longest.like(words(longest.values))).layout == Layout([158, 1])
