"""The encoder's graph gives the states of packs, for every family that runs packed and for packs of any sizes."""

from __future__ import annotations

import pytest
import torch

from tests.trunk.trunk_families import PACKED, small, some_ids
from unisono.deploy.encoder import STATES, Encoder, laid_out
from unisono.deploy.graph import Graph
from unisono.deploy.heads import Run
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.sessions import Session
from unisono.packed import Layout, Packed
from unisono.trunk import rebuilt

PACKS = [[5, 9, 3], [1], [7], [1, 1], [40], [20, 1, 33]]  # 33 is beyond ModernBERT's small window


def fed(ids: Packed, types: torch.Tensor, family: str) -> dict[str, torch.Tensor]:
    trunk, _, _ = small(family)
    fields = {"ids": ids.values, "types": types, **laid_out(ids.layout)}
    absent = {"types": not trunk.takes_types, "positions": not trunk.takes_positions}
    return {name: field for name, field in fields.items() if not absent.get(name)}


def check(family: str, run: Run) -> None:
    """What gives states from fields, against the trunk, on packs of many sizes."""
    trunk, words, _ = small(family)
    for lengths in PACKS:
        ids = some_ids(lengths)
        types = torch.arange(ids.layout.total) % 2
        with torch.no_grad():
            wanted = trunk(Packed(words(ids.values), ids.layout), types).values
            found = run(fed(ids, types, family))[STATES]
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", PACKED)
def test_what_is_traced_gives_the_states_of_any_pack(family):
    trunk, words, _ = small(family)
    check(family, Encoder(words, trunk))
    assert trunk.encoder.config._attn_implementation == "unisono_packed"  # as it was


@pytest.mark.slow
@pytest.mark.parametrize("family", PACKED)
def test_a_graph_gives_the_states_of_any_pack(family):
    trunk, words, _ = small(family)
    example = fed(some_ids([5, 2, 4]), torch.zeros(11, dtype=torch.int64), family)
    dims = {name: ("B", "L") if name == "grid" else ("N",) for name in example}
    check(family, Session(to_onnx(Graph("encoder", Encoder(words, trunk), example, dims, {STATES: ("N", None)}))))


def test_trunks_that_have_lost_heads_units_and_layers_are_traced_as_they_are():
    trunk, words, _ = small("bert")
    heads, units = [[0, 2], [1]], [list(range(20)), list(range(0, 48, 3))]
    for left in (trunk.slimmed(heads, units), rebuilt(trunk, [1])):
        ids = some_ids([5, 9, 3])
        with torch.no_grad():
            wanted = left.eval()(Packed(words(ids.values), ids.layout)).values
            found = Encoder(words, left)(fed(ids, torch.zeros_like(ids.values), "bert"))[STATES]
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_no_token_sees_another_sequence_or_an_empty_place():
    """Attention over a grid, with states of other sequences and whatever stands at empty places changed."""
    from unisono.deploy.attention import Grid, grid_attention

    layout = Layout([3, 1, 5])
    at = laid_out(layout)
    q, k, v = torch.randn(3, 1, 2, layout.total, 4)
    out, _ = grid_attention(torch.nn.Identity(), q, k, v, grid=Grid.of(at["grid"], at["place"]))
    for number, (start, length) in enumerate(zip(layout.offsets, layout.lengths, strict=False)):
        own = slice(start, start + length)
        wanted = torch.nn.functional.scaled_dot_product_attention(*(x[:, :, own] for x in (q, k, v)))
        torch.testing.assert_close(out[:, own], wanted.transpose(1, 2), msg=f"sequence {number}")
