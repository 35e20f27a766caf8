"""Kept layers: bit-equal copies, in the order of their numbers, of every family whose layers stand for one another."""

from __future__ import annotations

import pytest
import torch

from tests.trunk.trunk_families import FAMILIES, small, some_ids
from unisono.trunk import Trunk, rebuilt
from unisono.trunk.kept import chosen, evenly


def test_evenly_spaced_is_what_distilbert_began_with():
    assert evenly(6, 12) == [0, 2, 4, 7, 9, 11]
    assert evenly(3, 6) == [0, 2, 5] and evenly(2, 6) == [0, 5] and evenly(1, 6) == [0]
    assert all(evenly(n, n) == list(range(n)) for n in range(1, 13))


@pytest.mark.parametrize("keep", [0, 7, [], [2, 1], [1, 1], [0, 6], [-1]])
def test_layers_that_are_not_there_are_named(keep):
    with pytest.raises(ValueError, match="layer"):
        chosen(keep, 6)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "albert"])
def test_layers_are_copied_to_the_bit(family):
    trunk, words, _ = small(family)
    out = rebuilt(trunk, [0])
    state = trunk.state_dict()
    kept = dict(out.named_parameters())
    assert len(out.layers) == 2 and len(kept) < len(dict(trunk.named_parameters()))
    assert all(torch.equal(p, state[name]) for name, p in kept.items() if ".0." in name or trunk.depth(name) == 0)
    pack = some_ids([4, 7])
    pack = pack.like(words(pack.values))
    _, layers = trunk(pack, layers=True)
    if family in ("bert", "roberta", "electra", "distilbert"):  # nothing follows their last layer
        torch.testing.assert_close(out(pack).values, layers[1].values)


def test_the_config_is_that_of_the_layers_left():
    trunk, _, _ = small("bert")
    again, _ = Trunk.from_config(rebuilt(trunk, 1).config_dict())
    again.load_state_dict(rebuilt(trunk, 1).state_dict())


def test_albert_has_no_layers_to_choose_from():
    with pytest.raises(ValueError, match="share their weights"):
        rebuilt(small("albert")[0], 1)


def test_no_generator_is_touched():
    before = torch.random.get_rng_state()
    rebuilt(small("bert")[0], 1)
    assert torch.equal(torch.random.get_rng_state(), before)
