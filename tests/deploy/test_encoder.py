"""The encoder's graph gives the states of packs, for every family that runs packed and for packs of any sizes."""

from __future__ import annotations

import pytest
import torch

from tests.trunk.trunk_families import PACKED, small, some_ids
from unisono.deploy.encoder import STATES, Encoder, laid_out
from unisono.deploy.graph import Graph
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.sessions import Session
from unisono.packed import Layout, Packed

PACKS = [[5, 9, 3], [1], [7], [1, 1], [40], [20, 1, 33]]  # 33 is beyond ModernBERT's small window


def fed(ids: Packed, types: torch.Tensor, family: str) -> dict[str, torch.Tensor]:
    trunk, _, _ = small(family)
    fields = {"ids": ids.values, "types": types, **laid_out(ids.layout)}
    absent = {"types": not trunk.takes_types, "positions": not trunk.takes_positions}
    return {name: field for name, field in fields.items() if not absent.get(name)}


@pytest.mark.parametrize("family", [pytest.param(f, marks=[pytest.mark.slow] * (f != "bert")) for f in PACKED])
def test_a_graph_gives_the_states_of_any_pack(family):
    trunk, words, _ = small(family)
    example = fed(some_ids([5, 2, 4]), torch.zeros(11, dtype=torch.int64), family)
    dims = {name: ("B", "L") if name == "grid" else ("N",) for name in example}
    session = Session(to_onnx(Graph("encoder", Encoder(words, trunk), example, dims, {STATES: ("N", None)})))
    for lengths in PACKS:
        ids = some_ids(lengths)
        types = torch.arange(ids.layout.total) % 2
        with torch.no_grad():
            wanted = trunk(Packed(words(ids.values), ids.layout), types).values
        found = session(fed(ids, types, family))[STATES]
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
