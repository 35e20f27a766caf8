"""Heads in PyTorch, and what the runtime makes of the same numbers, without a graph between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from unisono.deploy.heads import exported
from unisono.deploy.heads.written import _Step
from unisono.heads import Head
from unisono.heads.decoder import Decoder
from unisono.heads.detect import Detect
from unisono.packed import Packed
from unisono.runtime.fields import Fields
from unisono.runtime.heads import HEADS, Run
from unisono.runtime.heads import Head as Twin
from unisono.runtime.manifest import Task

Arrays = Mapping[str, np.ndarray]


def kind_of(head: type[Head]) -> str:
    """The kind whose head it is; both decoders of ``detect`` are its."""
    return "detect" if issubclass(head, Detect) else head.__name__.lower()


def twin(kind: str, head: Head, **decode: Any) -> Twin:
    """The runtime's head of what is exported of a head; ``decode``: entries of it in the place of theirs."""
    ready = exported(head, "head")
    inputs = HEADS[kind].roles[: 2 if kind in ("span", "match") else 1]
    told = Fields({**ready.decode, **decode}, "decode")
    step = "step" if ready.steps else None
    task = Task("task", kind, inputs, (), {}, kind == "match", 512, None, 8, "head", step, ready.reads, told)
    return HEADS[kind](task, ready.files, running(ready.steps["step"].module) if step else None)


def outputs_of(head: Head, states: Packed, index: np.ndarray) -> Arrays:
    """What the graph of a head gives."""
    return running(exported(head, "head").graph.module)({"states": states.values.detach().numpy(), "index": index})


def stepping(decoder: Decoder) -> Run:
    """The graph of one step of a decoder."""
    return running(_Step(decoder))


def running(module: nn.Module) -> Run:
    """What is traced for a graph, as a function of arrays."""

    @torch.no_grad()
    def run(fields: Arrays) -> Arrays:
        found = module({name: torch.from_numpy(np.asarray(value)) for name, value in fields.items()})
        return {name: value.numpy().copy() for name, value in found.items()}

    return run


def finished(steps: Any) -> list[Any]:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def alike(found: Any, wanted: Any, *, apart: float = 1e-5) -> bool:
    """Equal, numbers up to a difference."""
    if isinstance(wanted, Mapping):
        return found.keys() == wanted.keys() and all(alike(found[k], wanted[k], apart=apart) for k in wanted)
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return len(found) == len(wanted) and all(alike(a, b, apart=apart) for a, b in zip(found, wanted, strict=True))
    if isinstance(wanted, float):
        return isinstance(found, float) and abs(found - wanted) <= apart * max(1.0, abs(wanted))
    return type(found) is type(wanted) and found == wanted
