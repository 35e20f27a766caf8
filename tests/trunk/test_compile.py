"""A compiled trunk gives the states and gradients of the plain one on packs of any size, and the same weights."""

from __future__ import annotations

import logging

import pytest
import torch
from torch.testing import assert_close

from unisono.packed import Layout, Packed
from unisono.trunk import Trunk

SIZES = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 50, "positions": 64}


def pack(*lengths: int) -> Packed:
    layout = Layout(lengths)
    return Packed(torch.randn(layout.total, 32), layout)


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_compiled_equals_plain():
    trunk, _ = Trunk.scratch(**SIZES, dropout=0.0)
    names = set(trunk.state_dict())
    packs = [pack(3, 5, 9), pack(40, 60, 64), pack(1)]
    plain = []
    for each in packs:
        trunk.zero_grad()
        states = trunk(each).values
        states.square().sum().backward()
        plain.append((states, {n: p.grad.clone() for n, p in trunk.named_parameters()}))
    trunk.compile_encoder(multiple=128)
    for each, (states, gradients) in zip(packs, plain, strict=True):
        trunk.zero_grad()
        again = trunk(each).values
        again.square().sum().backward()
        assert_close(again, states, rtol=1e-4, atol=1e-5)
        for name, parameter in trunk.named_parameters():
            assert_close(parameter.grad, gradients[name], rtol=1e-3, atol=1e-4)
    assert trunk._compiled is not None, "the compiler failed and the trunk fell back"
    assert set(trunk.state_dict()) == names


def test_a_compiler_that_fails_is_told_and_left(monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise RuntimeError("no C++ compiler")

    trunk, _ = Trunk.scratch(**SIZES, dropout=0.0)
    states = trunk(pack(3, 5)).values
    monkeypatch.setattr(torch, "compile", lambda *a, **k: broken)
    trunk.compile_encoder()
    with caplog.at_level(logging.WARNING, logger="unisono"):
        again = trunk(pack(3, 5)).values
    assert again.shape == states.shape
    assert "no C++ compiler" in caplog.text
