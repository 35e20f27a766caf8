"""The last layer for first tokens alone: all that a head for whole sequences reads, at almost none of the layer's cost.

With one query per sequence, keys and values need not be made for every token: a query times the key matrix is compared
with the states as they are, and the weighted mean of the states goes through the value matrix once. The same sums in
another order, so the same result; a six-layer trunk has a sixth less to do.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from unisono.dropout import dropout
from unisono.packed import Layout, Packed
from unisono.trunk.lora import bias_of, whole_matrix

_KNOWN = ("BertLayer", "RobertaLayer", "XLMRobertaLayer", "CamembertLayer", "ElectraLayer")


def offer_first(encoder: nn.Module) -> bool:
    """Teaches the last layer of BERT's family the keyword ``first``; false if the encoder is of another family."""
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    if layers is None or type(layers[-1]).__name__ not in _KNOWN:
        return False
    layers[-1].forward = MethodType(_forward, layers[-1])
    return True


def _forward(layer: nn.Module, states: Tensor, *args: Any, first: bool = False, **others: Any) -> Tensor:
    """In place of the layer's own ``forward``, which it calls unless asked for first tokens: (1, N, D) -> (1, B, D)."""
    attention: Any = layer.attention.self  # type: ignore[union-attr]
    if first:
        # What else is around keys and values must not be passed by.
        key, value = (whole_matrix(p, learning=layer.training) for p in (attention.key, attention.value))
        if key is not None and value is not None:
            return first_states(layer, states[0], others["layout"], key, value)[None]
    out: Tensor = type(layer).forward(layer, states, *args, **others)
    return out[:, others["layout"].starts(out.device)] if first else out


def first_states(layer: nn.Module, states: Tensor, layout: Layout, key: Tensor, value: Tensor) -> Tensor:
    """What a layer of BERT's family gives for the first token of each sequence: (N, D) -> (B, D).

    Args:
        key, value: (D, D) the matrices that make keys and values.
    """
    attention: Any = layer.attention.self  # type: ignore[union-attr]
    padded, real = Packed(states, layout).padded()  # (B, L, D), (B, L)
    heads = (attention.num_attention_heads, attention.attention_head_size)  # H, K
    begin = padded[:, 0]
    query = attention.query(begin).unflatten(-1, heads)  # (B, H, K)
    asked = torch.einsum("bhk,hkd->bhd", query, key.unflatten(0, heads))
    shift = (query * bias_of(attention.key).unflatten(0, heads)).sum(-1, keepdim=True)  # cancels in the softmax
    scores = (asked @ padded.transpose(1, 2) + shift) * attention.scaling  # (B, H, L)
    weights = scores.masked_fill(~real[:, None], -torch.inf).softmax(-1)
    weights = dropout(weights, attention.dropout.p, attention.training)
    mean = weights @ padded  # (B, H, D)
    mixed = torch.einsum("bhd,hkd->bhk", mean, value.unflatten(0, heads))
    mixed = mixed + weights.sum(-1, keepdim=True) * bias_of(attention.value).unflatten(0, heads)
    middle = layer.attention.output(mixed.flatten(1), begin)  # type: ignore[union-attr, operator]
    out: Tensor = layer.output(layer.intermediate(middle), middle)  # type: ignore[operator]
    return out
