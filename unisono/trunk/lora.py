"""LoRA: the encoder's weights stand still; beside some of its projections the product of two thin matrices learns.

Hu et al. 2021 (https://arxiv.org/abs/2106.09685), equation 3, with the scale of section 4.1: h = W x + (α/r) B A x.
The layers are those of PEFT, which is imported when it is asked for. Here stands how each family names its projections,
and how adapters become part of the weights again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unisono.dropout import Dropout

ADAPTER = "default"  # PEFT's name for the one adapter that a layer has here

# What a recipe calls a projection -> how the families' modules are named that do it. A projection that makes queries,
# keys and values at once (ModernBERT) is each of the three.
PROJECTIONS: dict[str, str] = {
    "query": r"query|query_proj|q_lin|q_proj|attn\.q|SelfAttention\.q|Wqkv",
    "key": r"key|key_proj|k_lin|k_proj|attn\.k|SelfAttention\.k|Wqkv",
    "value": r"value|value_proj|v_lin|v_proj|attn\.v|SelfAttention\.v|Wqkv",
    "output": r"attention\.output\.dense|attention\.dense|out_lin|o_proj|attn\.o|attn\.Wo|SelfAttention\.o",
    "feedforward": r"intermediate\.dense|(?<!attention\.)output\.dense|ffn\.lin[12]|ffn|ffn_output|mlp\.\w+"
    r"|DenseReluDense\.\w+",
}


def adapt(encoder: nn.Module, *, rank: int, alpha: float, dropout: float, targets: Sequence[str]) -> None:
    """Freezes an encoder and puts an adapter beside each target. It says the same as before until the adapters learn.

    Args:
        rank: r, the rank of an adapter.
        alpha: α; an adapter's part counts α / r times.
        dropout: on what goes into an adapter.
        targets: names in ``PROJECTIONS``.

    Raises:
        ImportError: PEFT is not installed; the message has the command.
        ValueError: the encoder has no such projection.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError(f'LoRA needs the package peft ({error}); pip install "unisono[lora]"') from None
    names = projections(encoder, targets)
    settings: dict[str, Any] = {"r": rank, "lora_alpha": alpha, "lora_dropout": dropout, "target_modules": names}
    encoder.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(**settings), encoder, adapter_name=ADAPTER)
    for _, layer in adapters(encoder):
        if dropout:
            layer.lora_dropout[ADAPTER] = Dropout(dropout)


def projections(encoder: nn.Module, targets: Sequence[str]) -> list[str]:
    """Names of the linear modules that the targets mean, in every layer.

    Raises:
        ValueError: a target means none of them.
    """
    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    found: set[str] = set()
    for target in targets:
        means = re.compile(rf"(?:^|.*\.)(?:{PROJECTIONS[target]})")
        own = {name for name in linear if means.fullmatch(name)}
        if not own:
            have = sorted({re.sub(r"^.*\.\d+\.", "", name) for name in linear if re.search(r"\.\d+\.", name)})
            raise ValueError(f'no projection of this encoder is known as "{target}"; it has {", ".join(have)}')
        found |= own
    return [name for name in linear if name in found]


def adapters(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The layers with an adapter and their names; none without LoRA. Does not import PEFT."""
    for name, layer in module.named_modules():
        if _adapted(layer):
            yield name, layer


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """``module.state_dict()`` as if there had never been adapters: W + (α/r) B A in the place of W."""
    state: Mapping[str, Tensor] = module.state_dict()
    known = dict(adapters(module))
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        inside = re.fullmatch(r"(.+)\.(?:base_layer\.(weight|bias)|lora_[AB]\..+)", name)
        if inside is None or inside[1] not in known:
            out[name] = tensor
        elif inside[2]:
            whole = whole_matrix(known[inside[1]]) if inside[2] == "weight" else tensor
            assert whole is not None
            out[f"{inside[1]}.{inside[2]}"] = whole.detach()
    return out


def whole_matrix(projection: nn.Module, *, learning: bool = False) -> Tensor | None:
    """The matrix (D_out, D_in) that a linear layer stands for, its adapter's part included.

    Args:
        learning: the layer is in training: with dropout before its adapter, no one matrix says what it does.

    Returns:
        None where it is not known what the layer does.
    """
    if type(projection) is nn.Linear:
        return projection.weight
    layer: Any = projection
    if not _adapted(layer) or (learning and not isinstance(layer.lora_dropout[ADAPTER], nn.Identity)):
        return None
    whole: Tensor = layer.base_layer.weight + layer.scaling[ADAPTER] * (
        layer.lora_B[ADAPTER].weight @ layer.lora_A[ADAPTER].weight
    )
    return whole


def bias_of(projection: nn.Module) -> Tensor:
    """The bias of a linear layer, with an adapter or without."""
    bias = getattr(projection, "base_layer", projection).bias
    assert isinstance(bias, torch.Tensor)
    return bias


def _adapted(layer: nn.Module) -> Any:
    return isinstance(getattr(layer, "lora_A", None), nn.ModuleDict)
