"""kept: a trunk of fewer layers, each with the weights that it had."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import torch

from unisono.trunk.encoder import Trunk
from unisono.trunk.lora import merged_state
from unisono.trunk.slim import HEADS, UNITS

_COUNTS = ("num_hidden_layers", "n_layers", "num_layers")  # how families name the number of their layers
_LISTS = ("layer_types", "mlp_layer_types", HEADS, UNITS)  # settings with a value for each layer


def evenly(count: int, total: int) -> list[int]:
    """``count`` of the layers 0 to ``total`` - 1, evenly spaced from the first to the last; of one, the first.

    Of twelve, six are 0, 2, 4, 7, 9 and 11, as DistilBERT was begun (Sanh et al. 2019, section 3, and their code).
    """
    return [round(at * (total - 1) / max(count - 1, 1)) for at in range(count)]


def chosen(keep: int | Sequence[int], total: int) -> list[int]:
    """The numbers of the layers that ``keep`` means: so many, evenly spaced, or those listed.

    Raises:
        ValueError: there are no such layers, or they are not in ascending order.
    """
    layers = evenly(keep, total) if isinstance(keep, int) else list(keep)
    if isinstance(keep, int) and not 1 <= keep <= total:
        raise ValueError(f"{keep} layers of {total} cannot be kept; name a number from 1 to {total}")
    for layer in layers:
        if not 0 <= layer < total:
            raise ValueError(f"there is no layer {layer}: the trunk has the layers 0 to {total - 1}")
    if not layers or any(a >= b for a, b in pairwise(layers)):
        raise ValueError(f"layers must be named in ascending order, each once, got {layers}")
    return layers


def rebuilt(trunk: Trunk, keep: int | Sequence[int] | None = None, *, dropout: float | None = None) -> Trunk:
    """A trunk with some of a trunk's layers, bit-equal copies, in evaluation mode. LoRA's adapters are merged.

    Args:
        keep: how many layers, evenly spaced, or which, from 0; None: all.
        dropout: overrides every dropout; None keeps them.

    Raises:
        ValueError: there are no such layers, or the family's layers cannot stand for one another.
    """
    total = len(trunk.layers) - 1
    layers = chosen(total if keep is None else keep, total)
    if trunk.family == "albert" and len(layers) < total:
        raise ValueError("the layers of an albert trunk share their weights: there are none to choose from")
    settings = trunk.config_dict()
    settings |= {name: len(layers) for name in _COUNTS if name in settings}
    for name in _LISTS:
        if isinstance(settings.get(name), list):
            settings[name] = [settings[name][layer] for layer in layers]
    with torch.random.fork_rng():  # fresh weights are drawn, only to be replaced
        out, _ = Trunk.from_config(settings, dropout=dropout)
    place = {layer: at for at, layer in enumerate(layers)}
    state = {}
    for name, tensor in merged_state(trunk).items():
        numbered = re.search(r"\.(\d+)\.", name)
        if numbered is None or trunk.family == "albert":
            state[name] = tensor
        elif int(numbered[1]) in place:
            state[f"{name[: numbered.start()]}.{place[int(numbered[1])]}.{name[numbered.end() :]}"] = tensor
    try:
        out.load_state_dict(state)
    except RuntimeError:
        raise ValueError(f"the first layer of a {trunk.family} trunk is unlike the others; keep layer 0") from None
    return out.to(next(trunk.parameters()).device).eval()
