"""What the optimizer needs: groups with their own learning rates, the schedule, and its state as named tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

Group = dict[str, Any]


def parameter_groups(
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    trunk_lr: float,
    head_lr: float,
    head_lrs: Mapping[str, float] | None = None,
    own_lrs: Mapping[str, float] | None = None,
    layer_decay: float = 1.0,
    depth: Callable[[str], int] = lambda name: 0,
    depth_count: int = 0,
    weight_decay: float = 0.01,
) -> list[Group]:
    """Sorts a model's parameters into groups for AdamW, each with ``name``, ``base_lr``, ``lr`` and ``weight_decay``.

    What a stage freezes is sorted in too: AdamW leaves alone what has no gradient, and a later stage may thaw it.

    Args:
        named_parameters: ``stems.*``, ``marks.*``, ``trunk.*`` and ``heads.<task>.*``.
        head_lrs: task -> learning rate, where it is not ``head_lr``.
        own_lrs: how the names of some parameters of stems begin -> their learning rate, which no layer decay changes.
        layer_decay: the layer at depth d of the trunk learns at ``trunk_lr * layer_decay ** (depth_count - d)``; stems
            have depth 0. Howard & Ruder 2018 (https://arxiv.org/abs/1801.06146), section 3.2.
        depth: the depth of a trunk parameter: 0 for embeddings, i + 1 for layer i.
        depth_count: the depth of the last layer.
        weight_decay: not applied to biases and norms (everything of fewer than two dimensions).
    """
    groups: dict[str, Group] = {}
    for name, parameter in named_parameters:
        room, _, rest = name.partition(".")
        if room == "heads":
            task = rest.split(".", 1)[0]
            label, lr = f"heads.{task}", (head_lrs or {}).get(task, head_lr)
        elif room in ("stems", "marks", "trunk"):
            level = depth(name) if room == "trunk" else 0
            label, lr = "stems" if room == "marks" else room, trunk_lr * layer_decay ** (depth_count - level)
            if layer_decay != 1.0 and room == "trunk":
                label = f"trunk.{level}"
            if own := next((start for start in own_lrs or {} if name.startswith(start)), None):
                label, lr = own.rstrip("."), (own_lrs or {})[own]
        else:
            raise ValueError(f"parameter {name!r} belongs to neither stems, trunk nor heads")
        decays = parameter.dim() >= 2
        if not decays:
            label += ".undecayed"
        group = groups.setdefault(
            label, {"params": [], "name": label, "base_lr": lr, "lr": lr, "weight_decay": weight_decay * decays}
        )
        group["params"].append(parameter)
    return list(groups.values())


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a share of its peak, a pure function of progress, so a resumed run needs no state for it.

    Args:
        shape: what follows the warm-up, down to 0 at progress 1 (``constant`` stays at 1).
        warmup: the share of the run over which the rate rises from 0 to its peak, in a straight line.
    """

    shape: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.06

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warm-up is a share of the run, 0 to 1, got {self.warmup}")

    def scale(self, progress: float) -> float:
        """The share of the peak at ``progress`` in [0, 1].

        For step k of n (from 0) use (k + 0.5) / n: with k / n the first step learns nothing, with (k + 1) / n the last.
        """
        progress = min(1.0, max(0.0, progress))
        if progress < self.warmup:
            return progress / self.warmup
        after = (progress - self.warmup) / (1 - self.warmup) if self.warmup < 1 else 0.0
        if self.shape == "constant":
            return 1.0
        return (1 + math.cos(math.pi * after)) / 2 if self.shape == "cosine" else 1 - after


def optimizer_tensors(optimizer: Optimizer, names: Mapping[int, str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What an optimizer has learned, by the names of its parameters and not by their order.

    Args:
        names: ``id`` of a parameter -> its name in the model.

    Returns:
        Tensors named ``<field>/<parameter>`` (``exp_avg/trunk.layer.0.weight``), not copied, and plain JSON: the
        learning rates and fields that are not tensors. The other hyperparameters belong to the recipe, not here.

    Raises:
        KeyError: the optimizer holds a parameter that ``names`` does not.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for parameter in _parameters(optimizer):
        name = names.get(id(parameter))
        if name is None:
            raise KeyError(f"the optimizer holds a parameter of shape {tuple(parameter.shape)} that the model does not")
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"{key}/{name}"] = value
            else:
                plain[f"{key}/{name}"] = value
    rates = {min(names[id(p)] for p in group["params"]): float(group["lr"]) for group in optimizer.param_groups}
    return tensors, {"plain": plain, "lr": rates}


def restore_optimizer(
    optimizer: Optimizer, names: Mapping[int, str], tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Gives an optimizer over the same parameters the state that ``optimizer_tensors`` took. Tensors are copied.

    A parameter without stored state (one that has never been stepped) starts afresh.

    Raises:
        ValueError: stored state for a parameter that is unknown or has another shape.
    """
    place = {names[id(parameter)]: (i, parameter) for i, parameter in enumerate(_parameters(optimizer))}
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


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
