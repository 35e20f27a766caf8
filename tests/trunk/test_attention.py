"""Packed attention against the textbook formula, one sequence at a time."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from unisono.dropout import draw, kept
from unisono.packed import Layout
from unisono.trunk import attention as module_under_test
from unisono.trunk.attention import packed_attention
from unisono.trunk.blocks import plan

HEADS, WIDTH = 3, 8


def drawn(layout: Layout, heads: int = HEADS, dtype: torch.dtype = torch.float64) -> Tensor:
    """(1, H, N, K), laid out as a projection gives it."""
    x = torch.randn(layout.total, heads * WIDTH, dtype=dtype)
    return x.view(1, layout.total, heads, WIDTH).transpose(1, 2).requires_grad_()


def textbook(q: Tensor, k: Tensor, v: Tensor, layout: Layout, window: int | None, causal: bool) -> Tensor:
    out = []
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    for start, length in zip(layout.offsets, layout.lengths, strict=False):
        a, b, c = (x[0, :, start : start + length] for x in (q, k, v))
        scores = a @ b.transpose(1, 2) / WIDTH**0.5
        for i, j in product(range(length), range(length)):
            if (window is not None and abs(i - j) >= window) or (causal and j > i):
                scores[:, i, j] = -torch.inf
        out.append((scores.softmax(-1) @ c).transpose(0, 1))
    return torch.cat(out)[None]


def assert_gradients_close(got: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]) -> None:
    up = torch.randn_like(expected)
    found = torch.autograd.grad(got, inputs, up), torch.autograd.grad(expected, inputs, up)
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("kernel", ["blocks", "torch"])
@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    window=st.none() | st.integers(1, 14),
    causal=st.booleans(),
    groups=st.sampled_from([1, 3]),
)
def test_values_and_gradients_are_the_textbooks(kernel, lengths, window, causal, groups):
    torch.manual_seed(0)
    layout = Layout(lengths)
    q, k, v = drawn(layout), drawn(layout, groups), drawn(layout, groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module_under_test, "_LONG", 1e9 if kernel == "blocks" else 0)
        got, weights = packed_attention(
            nn.Identity(), q, k, v, layout=layout, sliding_window=window, is_causal=causal, scaling=WIDTH**-0.5
        )
    expected = textbook(q, k, v, layout, window, causal)
    assert weights is None
    assert_close(got, expected)
    up = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(got, (q, k, v), up), torch.autograd.grad(expected, (q, k, v), up), strict=True
    ):
        assert_close(ours, theirs)


def test_dropout_hits_the_weights_that_the_seed_chooses():
    layout, p = Layout([5, 5, 5]), 0.4
    q, k, v = (drawn(layout) for _ in range(3))
    layer = nn.Identity().train()
    torch.manual_seed(3)
    got, _ = packed_attention(layer, q, k, v, layout=layout, dropout=p)
    torch.manual_seed(3)
    keep = kept(draw((3 * HEADS * 25,)), p).view(3, HEADS, 5, 5)  # one block: all lengths are equal
    a, b, c = (x[0].transpose(0, 1).reshape(3, 5, HEADS, WIDTH).transpose(1, 2) for x in (q, k, v))
    weights = (a @ b.transpose(2, 3) / WIDTH**0.5).softmax(-1) * keep / (1 - p)
    expected = (weights @ c).transpose(1, 2).reshape(1, 15, HEADS, WIDTH)
    assert_close(got, expected)
    up = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(got, (q, k, v), up), torch.autograd.grad(expected, (q, k, v), up), strict=True
    ):
        assert_close(ours, theirs)
    assert_close(
        packed_attention(layer.eval(), q, k, v, layout=layout, dropout=p)[0], textbook(q, k, v, layout, None, False)
    )


def test_gradients_hold_against_finite_differences():
    layout = Layout([2, 4, 3])
    q, k, v = (drawn(layout) for _ in range(3))

    def once(*qkv: Tensor) -> Tensor:
        torch.manual_seed(0)
        return packed_attention(nn.Identity().train(), *qkv, layout=layout, dropout=0.3)[0]

    assert torch.autograd.gradcheck(once, (q, k, v))


def test_half_precision_stays_close():
    torch.manual_seed(0)
    layout = Layout([9, 4, 8])
    q, k, v = (drawn(layout) for _ in range(3))
    half = [x.detach().bfloat16() for x in (q, k, v)]
    got, _ = packed_attention(nn.Identity(), *half, layout=layout)
    assert got.dtype == torch.bfloat16
    assert_close(got.double(), textbook(q, k, v, layout, None, False), atol=3e-2, rtol=0)


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30), slack=st.sampled_from([0.0, 0.12, 0.5]))
@settings(max_examples=40, deadline=None)
def test_a_plan_places_every_vector_once(lengths, slack):
    layout = Layout(lengths)
    where = plan(layout, HEADS, slack)
    assert torch.equal(where.gather[where.scatter], torch.arange(layout.total * HEADS))
    filled = 0 if where.padding is None else len(where.padding)
    assert len(where.gather) == layout.total * HEADS + filled
    assert where.scores == sum(b.rows * b.length**2 for b in where.blocks) >= HEADS * sum(n * n for n in lengths)
    if slack == 0:
        assert where.padding is None and len(where.blocks) == len(set(lengths))


def test_a_question_it_cannot_answer_is_refused():
    layout = Layout([3])
    q = drawn(layout)
    with pytest.raises(NotImplementedError, match="softcap"):
        packed_attention(nn.Identity(), q, q, q, layout=layout, softcap=30.0)
    with pytest.raises(NotImplementedError, match="mask"):
        packed_attention(nn.Identity(), q, q, q, torch.ones(1, 1, 3, 3), layout=layout)
