"""Climbing: layer by layer the states are those of the whole trunk, whoever leaves the pack on the way."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.trunk.trunk_families import small, some_ids
from unisono.trunk import climb

FAMILY = pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "electra"])


def pack_of(family):
    trunk, words, _ = small(family)
    ids = some_ids([3, 7, 4, 7])
    return trunk, ids.like(words(ids.values).detach()), (ids.values % 2 if family != "xlm-roberta" else None)


@FAMILY
def test_states_are_those_of_the_trunk(family):
    trunk, pack, types = pack_of(family)
    last, layers = trunk(pack, types, layers=True)
    found = list(climb(trunk, pack, types))
    for ours, theirs in zip(found, [*layers[1:-1], last], strict=True):
        assert_close(ours.values, theirs.values)
    assert_close(list(climb(trunk, pack, types, first=True))[-1].values, trunk(pack, types, first=True).values)


@FAMILY
@pytest.mark.parametrize("first", [False, True])
def test_who_goes_on_is_none_the_wiser(family, first):
    trunk, pack, types = pack_of(family)
    whole = trunk(pack, types, first=first).split()
    steps = climb(trunk, pack, types, first=first)
    assert next(steps).layout.count == 4
    for ours, theirs in zip(steps.send([1, 3]).split(), (whole[1], whole[3]), strict=True):
        assert_close(ours, theirs)


def test_nobody_left_is_the_end():
    trunk, pack, types = pack_of("bert")
    steps = climb(trunk, pack, types)
    next(steps)
    with pytest.raises(StopIteration):
        steps.send([])


def test_other_families_and_long_sequences_are_refused():
    with pytest.raises(ValueError, match='family "distilbert"'):
        next(climb(small("distilbert")[0], pack_of("bert")[1]))
    trunk, words, _ = small("bert")
    with pytest.raises(ValueError, match="knows 160 positions"), torch.no_grad():
        next(climb(trunk, some_ids([161]).like(words(some_ids([161]).values))))
