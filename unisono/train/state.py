"""The optimizer's state and the random state as named tensors, and back, to the bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Named = Mapping[str, nn.Parameter] | Iterable[tuple[str, nn.Parameter]]


def optimizer_tensors(optimizer: Optimizer, names: Named) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What an optimizer has learned, by the names of its parameters (``model.named_parameters()``), not their order.

    Returns:
        Tensors named ``<field>/<parameter>`` (``exp_avg/trunk.layer.0.weight``), not copied, and plain JSON: the
        learning rates and fields that are not tensors. The other hyperparameters belong to the recipe, not here.

    Raises:
        KeyError: the optimizer holds a parameter that ``names`` does not.
    """
    known = {id(parameter): name for name, parameter in _pairs(names)}
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for parameter in _parameters(optimizer):
        name = known.get(id(parameter))
        if name is None:
            raise KeyError(f"the optimizer holds a parameter of shape {tuple(parameter.shape)} that the model does not")
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"{key}/{name}"] = value
            else:
                plain[f"{key}/{name}"] = value
    rates = {min(known[id(p)] for p in group["params"]): float(group["lr"]) for group in optimizer.param_groups}
    return tensors, {"plain": plain, "lr": rates}


def restore_optimizer(
    optimizer: Optimizer, names: Named, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Gives an optimizer over the same parameters the state that ``optimizer_tensors`` took. Tensors are copied.

    A parameter without stored state (one that has never been stepped) starts afresh.

    Raises:
        ValueError: stored state for a parameter that is unknown or has another shape.
    """
    order = {id(parameter): i for i, parameter in enumerate(_parameters(optimizer))}
    place = {name: (order[id(parameter)], parameter) for name, parameter in _pairs(names) if id(parameter) in order}
    fields: dict[int, dict[str, Any]] = {}
    for full, value in [*tensors.items(), *state["plain"].items()]:
        key, name = full.split("/", 1)
        if name not in place:
            raise ValueError(f"the checkpoint has optimizer state for {name!r}, which this optimizer does not train")
        index, parameter = place[name]
        if isinstance(value, Tensor):
            if value.dim() and value.shape != parameter.shape:
                raise ValueError(f"{full}: shape {tuple(value.shape)}, but the parameter has {tuple(parameter.shape)}")
            value = value.clone()
        fields.setdefault(index, {})[key] = value
    whole = optimizer.state_dict()
    named = {index: name for name, (index, _) in place.items()}
    for group in whole["param_groups"]:  # a group is known by the first of its names in the alphabet
        group["lr"] = state["lr"].get(min(named[index] for index in group["params"]), group["lr"])
    optimizer.load_state_dict({"state": fields, "param_groups": whole["param_groups"]})


def random_state() -> dict[str, Tensor]:
    """The state of PyTorch's generators: ``cpu``, and ``cuda.0`` ... where there are any. No other is used."""
    out = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        out |= {f"cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    return out


def restore_random_state(state: Mapping[str, Tensor]) -> None:
    """Puts PyTorch's generators where they were at ``random_state``; a device that is no longer there is left out."""
    torch.set_rng_state(state["cpu"].clone())
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        if f"cuda.{i}" in state:
            torch.cuda.set_rng_state(state[f"cuda.{i}"].clone(), i)


def _pairs(names: Named) -> Iterable[tuple[str, nn.Parameter]]:
    return names.items() if isinstance(names, Mapping) else names


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
