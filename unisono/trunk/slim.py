"""slim: attention heads and feed-forward units taken out of a trunk's layers, whose matrices then are smaller.

An encoder's config says how many each layer has, so that a saved trunk is built again as it is. BERT's family.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

HEADS, UNITS = "kept_heads", "kept_units"  # in the config: how many each layer has; absent where none were taken out
_KNOWN = ("BertLayer", "RobertaLayer", "XLMRobertaLayer", "CamembertLayer", "ElectraLayer")


def layers_of(encoder: nn.Module) -> list[Any]:
    """The layers of an encoder of BERT's family.

    Raises:
        ValueError: it is of another family.
    """
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    if layers is None or type(layers[0]).__name__ not in _KNOWN:
        family = getattr(getattr(encoder, "config", None), "model_type", "unknown")
        raise ValueError(
            f'heads and units cannot be taken out of a trunk of family "{family}": of bert, roberta, xlm-roberta, '
            "camembert and electra they can"
        )
    return list(layers)


def sizes(encoder: nn.Module) -> list[tuple[int, int]]:
    """Heads and feed-forward units of each layer."""
    return [(x.attention.self.num_attention_heads, x.intermediate.dense.out_features) for x in layers_of(encoder)]


def shape(encoder: nn.Module) -> None:
    """Gives the layers of a new encoder the sizes that its config says; fresh weights are drawn."""
    config: Any = encoder.config
    heads, units = getattr(config, HEADS, None), getattr(config, UNITS, None)
    if heads is None or units is None:
        return
    for layer, count, inner in zip(layers_of(encoder), heads, units, strict=True):
        attention, width = layer.attention.self, config.hidden_size
        attention.num_attention_heads = count
        attention.all_head_size = count * attention.attention_head_size
        for name in ("query", "key", "value"):
            setattr(attention, name, nn.Linear(width, attention.all_head_size))
        layer.attention.output.dense = nn.Linear(attention.all_head_size, width)
        layer.intermediate.dense = nn.Linear(width, inner)
        layer.output.dense = nn.Linear(inner, width)


def sliced(encoder: nn.Module, heads: Sequence[Sequence[int]], units: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """The encoder's state with some heads and units of each layer left, in the order named."""
    state: dict[str, Tensor] = dict(encoder.state_dict())
    for at, layer in enumerate(layers_of(encoder)):
        here, size = f"encoder.layer.{at}.", layer.attention.self.attention_head_size
        rows = (torch.tensor(heads[at])[:, None] * size + torch.arange(size)).flatten()
        inner = torch.tensor(units[at])
        for name in ("query", "key", "value"):
            for part in ("weight", "bias"):
                own = f"{here}attention.self.{name}.{part}"
                state[own] = state[own][rows]
        state[f"{here}attention.output.dense.weight"] = state[f"{here}attention.output.dense.weight"][:, rows]
        for part in ("weight", "bias"):
            state[f"{here}intermediate.dense.{part}"] = state[f"{here}intermediate.dense.{part}"][inner]
        state[f"{here}output.dense.weight"] = state[f"{here}output.dense.weight"][:, inner]
    return state
