"""Attention over a pack: no token looks beyond its own sequence, and no padding is ever multiplied.

Registered with Hugging Face under the name ``unisono_packed``, so that any encoder written against its attention
registry runs on ``(1, N)`` tokens laid end to end: dense layers see real tokens only, and this function alone knows of
sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from unisono.packed import Layout
from unisono.trunk.blocks import blocks, plan

NAME = "unisono_packed"
_SLACK = 0.12  # of the longest length in a block, what another may lack: measured for packs of sentences
_LONG = (
    112  # tokens seen by the average query from which PyTorch's CPU kernel is faster than our blocks, without dropout
)


def refuse_unknown(attention_mask: Tensor | None, others: Mapping[str, Any]) -> None:
    """Raises NotImplementedError: a layer asks for what attention over packs does not know."""
    asked = [name for name in ("softcap", "position_bias", "s_aux", "cache") if others.get(name) is not None]
    if asked or attention_mask is not None:
        raise NotImplementedError(f"attention over packs does not know {asked or 'attention masks'}")


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    *,
    layout: Layout,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """The attention of every sequence of the pack to itself.

    Args:
        module: the attention layer that calls; its ``is_causal`` is the default of ``is_causal``.
        query: (1, H, N, K); ``key`` and ``value`` may have fewer heads (grouped queries).
        attention_mask: always None, as nothing is padded.
        layout: where the sequences lie. It travels through the keyword arguments of the model, so that a layer
            recomputed under gradient checkpointing sees the layout of its own forward pass.
        sliding_window: tokens see others less than this many places away (the convention of Hugging Face).

    Returns:
        (1, N, H, K), and no attention weights.

    Raises:
        NotImplementedError: the layer asks for something that this function does not know; such a family runs padded.
    """
    refuse_unknown(attention_mask, others)
    if is_causal is None:
        is_causal = bool(getattr(module, "is_causal", False))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))  # (N, H, K) each, a view of the projection
    if k.shape[1] != q.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    reach = None if sliding_window is None or sliding_window >= layout.longest else sliding_window - 1
    p = dropout if module.training else 0.0
    if q.is_cuda and p == 0.0 and q.dtype in (torch.float16, torch.bfloat16):
        return _variable_length(q, k, v, layout, scale, reach, is_causal)[None], None
    if q.device.type == "cpu":
        where = plan(layout, q.shape[1], 0.0 if reach is not None or is_causal else _SLACK)
        if p > 0.0 or where.scores < _LONG * q.shape[0] * q.shape[1]:
            return blocks(q, k, v, where, p, scale, lambda length: _bias(length, reach, is_causal))[None], None
    sizes = [count * length for _, count, length in layout.runs]
    parts = zip(layout.runs, *(torch.split(x, sizes) for x in (q, k, v)), strict=True)
    return torch.cat([_run(run, a, b, c, p, scale, reach, is_causal) for run, a, b, c in parts])[None], None


def _run(
    run: tuple[int, int, int], q: Tensor, k: Tensor, v: Tensor, p: float, scale: float, reach: int | None, causal: bool
) -> Tensor:
    """One run of equal lengths through PyTorch's kernel: (count * L, H, K) each -> the same."""
    _, count, length = run
    q, k, v = (x.view(count, length, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))  # (count, H, L, K), views
    mask = _visible(length, reach, causal, q.device)
    mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p, scale=scale)
    return mixed.transpose(1, 2).reshape(count * length, *mixed.shape[1::2])


def _bias(length: int, reach: int | None, causal: bool) -> Tensor | None:
    """(1, L, L): 0 where a query sees a key, -inf elsewhere. None: every query sees every key."""
    seen = _visible(length, reach, causal, torch.device("cpu"))
    return None if seen is None else torch.zeros(1, length, length).masked_fill_(~seen, -torch.inf)


def _visible(length: int, reach: int | None, causal: bool, device: torch.device) -> Tensor | None:
    """(L, L) bool: which keys (columns) each query (row) sees. None: all."""
    if not causal and (reach is None or reach >= length - 1):
        return None
    at = torch.arange(length, device=device)
    distance = at[:, None] - at[None, :]
    seen = distance >= 0 if causal else torch.ones_like(distance, dtype=torch.bool)
    return seen if reach is None else seen & (distance.abs() <= reach)


def _variable_length(
    q: Tensor, k: Tensor, v: Tensor, layout: Layout, scale: float, reach: int | None, causal: bool
) -> Tensor:
    """The whole pack in one kernel, on GPUs with Flash Attention."""
    from torch.nn.attention.varlen import varlen_attn

    edges, back = layout.cumulative(q.device), -1 if reach is None else reach
    window = (back, 0 if causal else back)
    longest = layout.longest
    out = varlen_attn(q, k, v, edges, edges, longest, longest, scale=scale, window_size=window)
    assert isinstance(out, Tensor)  # a tuple only with return_aux
    return out


def _no_mask(*_: Any, **__: Any) -> None:
    """A pack has no padding to mask; sequences are kept apart by the layout."""


AttentionInterface.register(NAME, torch.compiler.disable(packed_attention))
AttentionMaskInterface.register(NAME, _no_mask)
