"""States of first tokens alone equal those read from all states, in value and gradient."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close
from trunk_families import FAMILIES, SETTINGS, small, some_ids

from unisono.packed import Layout
from unisono.trunk import Trunk

SHORT = {"bert", "roberta", "xlm-roberta", "electra"}  # the families that save the rest of the last layer


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 24), min_size=1, max_size=7))
def test_first_states_are_the_first_of_all_states(family, lengths):
    trunk, words, _ = small(family)
    ids = some_ids(lengths)
    vectors = ids.like(words(ids.values))
    types = (ids.values % 2).long()
    with torch.no_grad():
        first = trunk(vectors, types, first=True)
        everything, layers = trunk(vectors, types, layers=True, first=True)
    assert first.layout == Layout([1] * len(lengths)) and len(layers) == len(trunk.layers)
    assert_close(first.values, trunk(vectors, types).first(), atol=1e-5, rtol=1e-5)
    assert_close(first.first(), everything.values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_all_states(family):
    trunk, words, _ = small(family)
    assert trunk.offers_first == (family in SHORT)
    ids = some_ids([7, 3, 20, 1])
    found = []
    for first in (True, False):
        trunk.zero_grad()
        words.zero_grad()
        trunk(ids.like(words(ids.values)), first=first).first().sin().sum().backward()
        found.append({n: p.grad for n, p in [*trunk.named_parameters(), *words.named_parameters()]})
    for name, grad in found[1].items():
        assert (grad is None) == (found[0][name] is None), name
        if grad is not None:
            assert_close(found[0][name], grad, atol=1e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def test_dropout_falls_on_the_attention_weights_alike():
    """Mean and variance over many draws are those of the full layer."""
    torch.manual_seed(0)
    trunk, words = Trunk.from_config({"model_type": "bert", **SETTINGS["bert"], "num_hidden_layers": 1}, dropout=0.2)
    ids = some_ids([9] * 4000)
    ids = ids.like(ids.values[:9].repeat(4000))  # one sentence, 4000 times: 4000 draws in one pack
    trunk.train()
    with torch.no_grad():
        vectors = ids.like(words(ids.values) * 20)
        one, other = trunk(vectors, first=True).values, trunk(vectors).first()
    assert_close(one.mean(0), other.mean(0), atol=0.05, rtol=0)
    assert_close(one.std(0), other.std(0), atol=0.03, rtol=0.05)


def test_copies_and_checkpoints_keep_their_own_layer():
    trunk, words, _ = small("bert")
    again = copy.deepcopy(trunk)
    ids = some_ids([4, 6])
    vectors = ids.like(words(ids.values).detach())
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.mul_(0.5)
    for first in (True, False):
        assert not torch.allclose(again(vectors, first=first).values, trunk(vectors, first=first).values, atol=1e-2)
    assert_close(again(vectors, first=True).values, again(vectors).first(), atol=1e-5, rtol=1e-5)
    again.checkpoint()
    again.train()
    again(vectors, first=True).values.sum().backward()
    assert again.encoder.encoder.layer[0].output.dense.weight.grad.abs().sum() > 0


def test_an_adapter_around_a_projection_is_not_passed_by():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    trunk, words = Trunk.from_config({"model_type": "bert", **SETTINGS["bert"]}, dropout=0.0)
    attention = trunk.encoder.encoder.layer[-1].attention.self
    doubled = Doubled(32, 32)
    doubled.load_state_dict(attention.value.state_dict())
    attention.value = doubled
    ids = some_ids([4, 6])
    vectors = ids.like(words(ids.values))
    assert_close(trunk(vectors, first=True).values, trunk(vectors).first(), atol=1e-5, rtol=1e-5)


def test_evaluating_first_does_not_spoil_training():
    trunk, words, _ = small("bert")
    ids = some_ids([3, 5, 11])
    with torch.inference_mode():
        trunk(ids.like(words(ids.values)))
        trunk(ids.like(words(ids.values)), first=True)
    again = some_ids([3, 5, 11])  # the same lengths: plans are shared
    for first in (True, False):
        trunk(again.like(words(again.values)), first=first).values.sum().backward()
