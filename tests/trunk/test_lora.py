"""LoRA sits beside the projections that were meant, learns alone, runs on packs, and merges into plain weights."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from trunk_families import FAMILIES, PACKED, SETTINGS, padded_states, small, some_ids

from unisono.trunk import Trunk, merged_state
from unisono.trunk.lora import PROJECTIONS, adapters, projections

pytest.importorskip("peft", reason="pip install 'unisono[lora]'")

_BERT = {
    "query": ["encoder.layer.0.attention.self.query"],
    "key": ["encoder.layer.0.attention.self.key"],
    "value": ["encoder.layer.0.attention.self.value"],
    "output": ["encoder.layer.0.attention.output.dense"],
    "feedforward": ["encoder.layer.0.intermediate.dense", "encoder.layer.0.output.dense"],
}
_ALBERT = "encoder.albert_layer_groups.0.albert_layers.0"
MEANT = {  # family -> target -> its modules in the first layer
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "electra": _BERT,
    "distilbert": {
        "query": ["transformer.layer.0.attention.q_lin"],
        "key": ["transformer.layer.0.attention.k_lin"],
        "value": ["transformer.layer.0.attention.v_lin"],
        "output": ["transformer.layer.0.attention.out_lin"],
        "feedforward": ["transformer.layer.0.ffn.lin1", "transformer.layer.0.ffn.lin2"],
    },
    "albert": {
        **{name: [f"{_ALBERT}.attention.{name}"] for name in ("query", "key", "value")},
        "output": [f"{_ALBERT}.attention.dense"],
        "feedforward": [f"{_ALBERT}.ffn", f"{_ALBERT}.ffn_output"],
    },
    "modernbert": {
        **{name: ["layers.0.attn.Wqkv"] for name in ("query", "key", "value")},
        "output": ["layers.0.attn.Wo"],
        "feedforward": ["layers.0.mlp.Wi", "layers.0.mlp.Wo"],
    },
    "eurobert": {
        **{name: [f"layers.0.self_attn.{name[0]}_proj"] for name in ("query", "key", "value")},
        "output": ["layers.0.self_attn.o_proj"],
        "feedforward": [f"layers.0.mlp.{name}_proj" for name in ("gate", "up", "down")],
    },
    "deberta-v2": {
        **_BERT,
        **{name: [f"encoder.layer.0.attention.self.{name}_proj"] for name in ("query", "key", "value")},
    },
}


def with_lora(family: str, *, targets: tuple[str, ...] = tuple(PROJECTIONS), dropout: float = 0.0) -> Trunk:
    """A copy of the small trunk whose adapters have learned something."""
    trunk = copy.deepcopy(small(family)[0])
    trunk.adapt(rank=3, alpha=6.0, dropout=dropout, targets=targets)
    with torch.no_grad():
        for _, layer in adapters(trunk):
            layer.lora_B["default"].weight.normal_(std=0.2)
    return trunk.eval()


def test_every_family_is_in_the_table():
    assert set(MEANT) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("target", PROJECTIONS)
def test_adapters_sit_where_they_were_meant_in_every_layer(family, target):
    first = MEANT[family][target]
    layers = 1 if family == "albert" else SETTINGS[family].get("num_hidden_layers", 2)
    found = {name for name, _ in adapters(with_lora(family, targets=(target,)).encoder)}
    expected = {name.replace(".0.", f".{i}.") for name in first for i in range(layers)}
    assert found == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_the_adapters_alone_learn_and_have_the_depth_of_their_layer(family):
    trunk = with_lora(family)
    learning = {name for name, p in trunk.named_parameters() if p.requires_grad}
    assert learning == {name for name, _ in trunk.named_parameters() if ".lora_" in name}
    assert trunk.adapter_size == sum(p.numel() for p in trunk.parameters() if p.requires_grad)
    layers = trunk.layers
    assert not learning & set(layers[0])
    full = [names for names in layers[1:] if learning & set(names)]
    assert len(full) == (1 if family == "albert" else len(layers) - 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_with_adapters_is_padded_with_merged_weights(family):
    """Packed, unmerged, against the Hugging Face model, padded, with the merged weights: it knows nothing of LoRA."""
    trunk = with_lora(family)
    _, words, reference = small(family)
    reference = copy.deepcopy(reference)
    missing, unexpected = reference.load_state_dict(merged_state(trunk.encoder), strict=False)
    assert not unexpected and not any("layer" in name for name in missing)
    assert trunk.packs == (family in PACKED)
    ids = some_ids([7, 3, 20, 1])
    with torch.no_grad():
        states = trunk(ids.like(words(ids.values))).values
        assert_close(states, padded_states(reference, ids), atol=1e-5, rtol=1e-5)
        assert (states - small(family)[0](ids.like(words(ids.values))).values).abs().max() > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_weights_make_the_plain_trunk(family):
    trunk, plain = with_lora(family), copy.deepcopy(small(family)[0])
    merged = merged_state(trunk)
    assert list(merged) == list(plain.state_dict())
    assert not any(t.requires_grad for t in merged.values())
    plain.load_state_dict(merged)
    words, ids = small(family)[1], some_ids([4, 9])
    with torch.no_grad():
        vectors = ids.like(words(ids.values))
        assert_close(plain(vectors).values, trunk(vectors).values, atol=1e-5, rtol=1e-5)


def test_without_adapters_merging_changes_nothing():
    trunk, _, _ = small("bert")
    merged, state = merged_state(trunk), trunk.state_dict()
    assert list(merged) == list(state) and all(merged[name] is not None for name in state)
    assert all(torch.equal(merged[name], state[name]) for name in state)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert", "modernbert"])
def test_a_fresh_adapter_changes_nothing(family):
    trunk = copy.deepcopy(small(family)[0])
    trunk.adapt(rank=3, alpha=6.0, dropout=0.5, targets=list(PROJECTIONS))
    plain, words, _ = small(family)
    ids = some_ids([5, 2])
    with torch.no_grad():
        vectors = ids.like(words(ids.values))
        assert_close(trunk.eval()(vectors).values, plain(vectors).values)


@pytest.mark.parametrize("targets", [("query", "value"), ("key",), tuple(PROJECTIONS)])
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_first_states_and_their_gradients_are_those_of_all_states(family, targets):
    trunk, words = with_lora(family, targets=targets), small(family)[1]
    ids = some_ids([7, 3, 20, 1])
    found = []
    for first in (True, False):
        trunk.zero_grad()
        out = trunk(ids.like(words(ids.values)), first=first).first()
        out.sin().sum().backward()
        found.append((out, {n: p.grad for n, p in trunk.named_parameters() if p.requires_grad}))
    assert_close(found[0][0], found[1][0], atol=1e-5, rtol=1e-5)
    for name, grad in found[1][1].items():
        assert_close(found[0][1][name], grad, atol=1e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def test_dropout_falls_on_what_goes_into_an_adapter_and_in_training_alone():
    trunk, words = with_lora("bert", dropout=0.5), small("bert")[1]
    for name, module in trunk.named_modules():
        if hasattr(module, "p") and "lora" not in name:
            module.p = 0.0  # the encoder's own
    ids = some_ids([7, 3])
    vectors = ids.like(words(ids.values).detach())
    for first in (True, False):
        with torch.no_grad():
            still = trunk.eval()(vectors, first=first).values
            assert torch.equal(still, trunk(vectors, first=first).values)
            drawn = [trunk.train()(vectors, first=first).values for _ in range(2)]
        assert not torch.allclose(drawn[0], drawn[1]) and not torch.allclose(drawn[0], still)
    for _, layer in adapters(trunk):
        layer.lora_dropout["default"].p = 0.0
    with torch.no_grad():
        assert_close(trunk.train()(vectors).values, trunk.eval()(vectors).values)


def test_recomputed_activations_give_the_same_gradients():
    trunk, words = with_lora("bert").train(), small("bert")[1]
    for module in trunk.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    ids, found = some_ids([7, 3]), []
    for on in (False, True):
        trunk.checkpoint(on)
        trunk.zero_grad()
        trunk(ids.like(words(ids.values).detach())).values.sin().sum().backward()
        found.append({n: p.grad for n, p in trunk.named_parameters() if p.requires_grad})
    for name, grad in found[0].items():
        assert grad.abs().sum() > 0
        assert_close(found[1][name], grad)


def test_a_projection_that_is_not_there_is_named_with_those_that_are():
    model = nn.Module()
    model.layers = nn.ModuleList([nn.ModuleDict({"mixer": nn.Linear(4, 4), "q_proj": nn.Linear(4, 4)})])
    assert projections(model, ["query"]) == ["layers.0.q_proj"]
    with pytest.raises(ValueError, match='known as "value"; it has mixer, q_proj'):
        projections(model, ["query", "value"])


def test_without_peft_the_error_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r'^LoRA needs the package peft \(.*\); pip install "unisono\[lora\]"$'):
        copy.deepcopy(small("bert")[0]).adapt(rank=2, alpha=4, dropout=0.0, targets=["query"])
