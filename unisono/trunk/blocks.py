"""Attention on a CPU: sequences of like length in dense blocks, worked off in pieces that stay in the cache.

A pack of short sequences holds dozens of lengths; one kernel call for each costs more than the arithmetic. So sequences
of like length share a block, padded to the longest of them for this one product, and one gather of rows brings queries,
keys and values there. PyTorch's own CPU kernel is a poor fit: it has no dropout, and is slow below a hundred tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unisono.dropout import draw, thinned
from unisono.packed import Layout

Bias = Callable[[int], Tensor | None]

_PIECE = 1 << 19  # scores worked on at a time: 2 MB in fp32


class Block(NamedTuple):
    """Sequences of like length. A row is one head of one sequence."""

    start: int  # the first of its vectors among all gathered vectors
    rows: int  # sequences * H
    length: int  # of the longest sequence
    hidden: Tensor | None  # (rows, 1, L), -inf at padding; None where all lengths are equal


class Plan(NamedTuple):
    """How a pack of N tokens with H heads lies in blocks that hold M >= N * H vectors."""

    blocks: tuple[Block, ...]
    gather: Tensor  # (M,) which of the N * H vectors stands at each place
    scatter: Tensor  # (N * H,) at which place each vector stands
    padding: Tensor | None  # the places filled up with another vector of the same sequence

    @property
    def scores(self) -> int:
        return sum(block.rows * block.length**2 for block in self.blocks)


@lru_cache(maxsize=4)
def plan(layout: Layout, heads: int, slack: float) -> Plan:
    """Blocks for a pack.

    Args:
        slack: how much of the longest length another length may lack to share its block; 0: equal lengths only.
    """
    groups: list[list[int]] = []
    for b in sorted(range(layout.count), key=lambda b: -layout.lengths[b]):
        longest = layout.lengths[groups[-1][0]] if groups else 0
        if groups and longest - layout.lengths[b] <= slack * longest + 4 * (slack > 0):
            groups[-1].append(b)
        else:
            groups.append([b])
    blocks, gathers, paddings, total = [], [], [], 0
    head = torch.arange(heads)[:, None]
    for group in groups:
        lengths = torch.tensor([layout.lengths[b] for b in group])[:, None]
        starts = torch.tensor([layout.offsets[b] for b in group])[:, None]
        longest, at = int(lengths.max()), torch.arange(int(lengths.max()))
        tokens = starts + torch.minimum(at, lengths - 1)  # (B, L)
        gathers.append((tokens[:, None] * heads + head).flatten())  # (B, H, L)
        absent = (at >= lengths)[:, None].expand(-1, heads, -1)  # (B, H, L)
        hidden = None
        if absent.any():
            hidden = torch.zeros(absent.shape).masked_fill_(absent, -torch.inf).view(-1, 1, longest)
            paddings.append(absent.flatten().nonzero()[:, 0] + total)
        blocks.append(Block(total, len(group) * heads, longest, hidden))
        total += absent.numel()
    gather = torch.cat(gathers)
    padding = torch.cat(paddings) if paddings else None
    real = torch.ones(total, dtype=torch.bool)
    if padding is not None:
        real[padding] = False
    places = real.nonzero()[:, 0]
    scatter = torch.empty(layout.total * heads, dtype=torch.int64)
    scatter[gather[places]] = places
    return Plan(tuple(blocks), gather, scatter, padding)


def _pieces(blocks: tuple[Block, ...]) -> Iterator[tuple[Block, int, int, slice, slice]]:
    """Pieces of blocks: (block, first row, rows, its vectors, its scores)."""
    scores = 0
    for block in blocks:
        most = max(4, _PIECE // block.length**2)
        for first in range(0, block.rows, most):
            rows = min(most, block.rows - first)
            vectors = block.start + first * block.length
            size = rows * block.length**2
            yield block, first, rows, slice(vectors, vectors + rows * block.length), slice(scores, scores + size)
            scores += size


def blocks(
    query: Tensor, key: Tensor, value: Tensor, where: Plan, p: float, scale: float, bias: Bias = lambda _: None
) -> Tensor:
    """softmax(q k^T * scale + bias), with dropout, times v, in every sequence. Vaswani et al. 2017.

    Args:
        query, key, value: (N, H, K) each.
        where: the plan of the pack.
        p: the probability with which an attention weight is dropped.
        bias: length -> (1, L, L) or None; needs a plan without slack.
    """
    out: Tensor = _Blocks.apply(query, key, value, where, p, scale, bias)  # type: ignore[no-untyped-call]
    return out


class _Blocks(torch.autograd.Function):
    """The weights are kept for the backward pass, and two bytes of random bits for each."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, where: Plan, p: float, scale: float, bias: Bias
    ) -> Tensor:
        q, k, v = (x.reshape(-1, x.shape[-1]).index_select(0, where.gather) for x in (query, key, value))  # (M, K)
        out = torch.empty_like(v)
        weights = q.new_empty(where.scores)
        bits = draw((where.scores,)) if p > 0 else None
        for block, first, rows, at, scores in _pieces(where.blocks):
            a, b, c, o = (x[at].view(rows, block.length, -1) for x in (q, k, v, out))
            w = weights[scores].view(rows, block.length, block.length)
            added = bias(block.length) if block.hidden is None else block.hidden[first : first + rows]
            if added is None:
                torch.baddbmm(w, a, b.transpose(1, 2), beta=0, alpha=scale, out=w)
            else:
                torch.baddbmm(added.to(w.dtype), a, b.transpose(1, 2), alpha=scale, out=w)
            torch._softmax(w, -1, False, out=w)
            torch.bmm(w if bits is None else thinned(w, bits[scores].view(w.shape), p), c, out=o)
        ctx.save_for_backward(q, k, v, weights, bits)
        ctx.where, ctx.p, ctx.scale, ctx.shape = where, p, scale, query.shape
        return out.index_select(0, where.scatter).view(value.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, weights, bits = ctx.saved_tensors
        where, p, scale = ctx.where, ctx.p, ctx.scale
        g = grads[0].reshape(-1, v.shape[-1]).index_select(0, where.gather)
        if where.padding is not None:
            g.index_fill_(0, where.padding, 0)
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        for block, _, rows, at, scores in _pieces(where.blocks):
            a, b, c, up, da, db, dc = (x[at].view(rows, block.length, -1) for x in (q, k, v, g, dq, dk, dv))
            w = weights[scores].view(rows, block.length, block.length)
            dw = torch.bmm(up, c.transpose(1, 2))
            if bits is None:
                torch.bmm(w.transpose(1, 2), up, out=dc)
            else:
                drawn = bits[scores].view(w.shape)
                torch.bmm(thinned(w, drawn, p).transpose(1, 2), up, out=dc)
                dw = thinned(dw, drawn, p)
            ds = torch._softmax_backward_data(dw, w, -1, w.dtype)
            torch.baddbmm(da, ds, b, beta=0, alpha=scale, out=da)
            torch.baddbmm(db, ds.transpose(1, 2), a, beta=0, alpha=scale, out=db)
        back = (x.index_select(0, where.scatter).view(ctx.shape) for x in (dq, dk, dv))
        return (*back, None, None, None, None)
