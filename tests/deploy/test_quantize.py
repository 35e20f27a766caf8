"""int8 and fp16 graphs say nearly what fp32 ones say; what is kept stays exact; what hurts is found and kept."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unisono.deploy.graph import Graph
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.quantize import activations, candidates, per_channel, to_fp16, to_int8
from unisono.deploy.sessions import Session


class Net(nn.Module):
    """A table, a product without bias, one with (three dimensions: MatMul and Add) and one of two dimensions (Gemm)."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.up = nn.Embedding(100, 32), nn.Linear(32, 96, bias=False)
        self.down, self.small = nn.Linear(96, 64), nn.Linear(64, 5)

    def forward(self, fields: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"out": self.small(self.down(torch.relu(self.up(self.table(fields["ids"]))[None]))[0])}


@cache
def net() -> tuple[Net, Any]:
    torch.manual_seed(0)
    module = Net().eval()
    return module, to_onnx(Graph("net", module, {"ids": torch.arange(7)}, {"ids": ("N",)}, {"out": ("N", None)}))


def said(proto: Any) -> torch.Tensor:
    return Session(proto)({"ids": torch.arange(0, 100, 3)})["out"]


def test_what_is_large_enough_is_a_candidate_under_the_name_of_its_module():
    assert set(candidates(net()[1])) == {"table", "up", "down"}  # 64 x 5 numbers are not worth it
    assert set(activations(net()[1])) == {"up", "down"}


def test_int8_is_near_and_a_quarter_of_the_size():
    proto = net()[1]
    small = to_int8(proto)
    plain, coded = said(proto), said(small)
    assert 0 < (coded - plain).abs().mean() / plain.abs().mean() < 0.05
    assert small.ByteSize() < 0.45 * proto.ByteSize()
    assert {node.op_type for node in small.graph.node} >= {"DynamicQuantizeLinear", "MatMulInteger", "Gather"}


def test_what_is_kept_is_left_as_it_is():
    proto = net()[1]
    torch.testing.assert_close(said(to_int8(proto, keep={"table", "up", "down"})), said(proto), rtol=0, atol=0)
    half = said(to_int8(proto, keep={"up", "down"})) - said(proto)
    assert 0 < half.abs().max() < (said(to_int8(proto)) - said(proto)).abs().max()


def test_static_ranges_take_the_place_of_measured_ones():
    module, proto = net()
    seen: dict[str, tuple[float, float]] = {}
    for name, tensor in activations(proto).items():
        layer = module.get_submodule(name)
        inputs: list[torch.Tensor] = []
        with layer.register_forward_pre_hook(lambda _, given, kept=inputs: kept.append(given[0])), torch.no_grad():
            module({"ids": torch.arange(100)})
        seen[tensor] = (float(inputs[0].min()), float(inputs[0].max()))
    static = to_int8(proto, ranges=seen)
    assert not any(node.op_type == "DynamicQuantizeLinear" for node in static.graph.node)
    plain = said(proto)
    assert (said(static) - plain).abs().mean() / plain.abs().mean() < 0.05


def test_fp16_halves_the_size_and_computes_in_fp32():
    proto = net()[1]
    half = to_fp16(proto)
    assert half.ByteSize() < 0.6 * proto.ByteSize()
    rounded = Net()
    rounded.load_state_dict({n: t.half().float() for n, t in net()[0].state_dict().items()})
    with torch.no_grad():
        rounded.small.load_state_dict(net()[0].small.state_dict())  # too small to be rounded
        wanted = rounded({"ids": torch.arange(0, 100, 3)})["out"]
    torch.testing.assert_close(said(half), wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("axis", [0, 1])
def test_codes_are_within_half_a_step_of_the_matrix_and_within_seven_bits(axis):
    matrix = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32) * np.logspace(-3, 3, 30)
    matrix[:, 3] = matrix[4] = 0
    codes, scales = per_channel(matrix.astype(np.float32), axis=axis)
    assert codes.dtype == np.int8 and np.abs(codes).max() == 63
    assert (np.abs(codes * scales - matrix) <= 0.5001 * scales).all()
