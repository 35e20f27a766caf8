"""Layout and Packed against the obvious loop over sequences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from unisono.packed import Layout, Packed, passes

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=12)
CPU = torch.device("cpu")


def values(lengths: list[int], width: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(sum(lengths))
    return [torch.randn(n, width, generator=generator) for n in lengths]


@given(lengths=LENGTHS)
def test_a_layout_says_where_everything_is(lengths):
    layout = Layout(lengths)
    assert (layout.count, layout.total, layout.longest) == (len(lengths), sum(lengths), max(lengths))
    assert layout.offsets[-1] == layout.total and len(layout.offsets) == layout.count + 1
    assert layout.starts(CPU).tolist() == [sum(lengths[:b]) for b in range(len(lengths))]
    assert layout.positions(CPU).tolist() == [i for n in lengths for i in range(n)]
    assert layout.segments(CPU).tolist() == [b for b, n in enumerate(lengths) for _ in range(n)]
    cumulative = layout.cumulative(CPU)
    assert cumulative.dtype == torch.int32 and tuple(cumulative.tolist()) == layout.offsets
    assert layout.positions(CPU) is layout.positions(CPU), "built once"


@given(lengths=LENGTHS)
def test_runs_cover_the_pack_and_are_as_long_as_can_be(lengths):
    layout = Layout(lengths)
    assert [length for _, count, length in layout.runs for _ in range(count)] == lengths
    at = 0
    for start, count, length in layout.runs:
        assert start == at
        at += count * length
    assert all(a[2] != b[2] for a, b in zip(layout.runs, layout.runs[1:], strict=False))


@given(one=LENGTHS, other=LENGTHS)
def test_layouts_are_equal_when_their_lengths_are(one, other):
    assert (Layout(one) == Layout(other)) == (one == other)
    assert hash(Layout(one)) == hash(Layout(iter(one)))
    assert Layout(one) != one


@pytest.mark.parametrize("lengths", [[], [3, 0, 2], [-1]])
def test_empty_sequences_are_refused(lengths):
    with pytest.raises(ValueError, match="length"):
        Layout(lengths)


def test_values_must_fit_their_lengths():
    with pytest.raises(ValueError, match="5"):
        Packed(torch.zeros(5, 2), Layout([2, 2]))


@given(lengths=LENGTHS)
def test_join_split_first_and_mean(lengths):
    sequences = values(lengths)
    pack = Packed.join(sequences)
    assert pack.layout == Layout(lengths)
    for ours, theirs in zip(pack.split(), sequences, strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(pack.first(), torch.stack([s[0] for s in sequences]))
    assert_close(pack.mean(), torch.stack([s.mean(0) for s in sequences]))
    assert pack.like(pack.values[:, 0]).mean().shape == (len(lengths),)


@given(lengths=LENGTHS)
@settings(deadline=None)
def test_padding_and_back_is_the_identity(lengths):
    pack = Packed.join(values(lengths))
    padded, mask = pack.padded(fill=7.0)
    assert padded.shape == (len(lengths), max(lengths), 3) and mask.sum(1).tolist() == lengths
    assert (padded[~mask] == 7).all()
    again = Packed.from_padded(padded, lengths)
    assert torch.equal(again.values, pack.values) and again.layout == pack.layout


def test_gradients_pass_through_padding_means_and_firsts():
    pack = Packed.join([torch.randn(n, 2, dtype=torch.float64) for n in (3, 1, 2)])

    def through(x: torch.Tensor) -> torch.Tensor:
        p = pack.like(x)
        padded, _ = p.padded()
        return padded.sin().sum() + p.mean().cos().sum() + p.first().exp().sum()

    assert torch.autograd.gradcheck(through, pack.values.requires_grad_())


def test_moving_keeps_the_layout():
    pack = Packed.join(values([2, 3]))
    moved = pack.to("meta")
    assert moved.device.type == "meta" and moved.layout is pack.layout
    assert moved.layout.positions(moved.device).device.type == "meta"


@given(lengths=LENGTHS, most=st.integers(1, 20))
def test_passes_take_every_sequence_once_like_lengths_together(lengths, most):
    packs = list(passes(lengths, most))
    places = [i for pack in packs for i in pack]
    assert sorted(places) == list(range(len(lengths)))
    assert [lengths[i] for i in places] == sorted(lengths)
    assert all(len(pack) == 1 or sum(lengths[i] for i in pack) <= most for pack in packs)
