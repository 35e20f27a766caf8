"""Heads in PyTorch and what the runtime makes of the same numbers: one in NumPy for each, without a graph between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from unisono.deploy.heads import KNOWN, exported
from unisono.heads import Head
from unisono.heads.classify import Classify
from unisono.heads.decoder import Decoder, _look
from unisono.heads.match import Match
from unisono.heads.readout import pool
from unisono.heads.regress import Regress
from unisono.heads.span import Span
from unisono.heads.tag import Tag
from unisono.heads.writer import Writer
from unisono.packed import Packed
from unisono.runtime.fields import Fields
from unisono.runtime.heads import HEADS
from unisono.runtime.heads import Head as Twin
from unisono.runtime.manifest import Task

Arrays = Mapping[str, np.ndarray]


def decode_of(head: Head) -> dict[str, Any]:
    """What an export says of how predictions are made."""
    if type(head) in KNOWN:
        return dict(exported(head, "head").decode)
    assert isinstance(head, Writer)
    told = head.options.model_dump(include={"max_length", "beams", "length_penalty"})
    return {**told, "pieces": "pieces.json", "languages": head.fitted["languages"], "layers": len(head.decoder.layers)}


def twin(kind: str, head: Head) -> Twin:
    """The runtime's head of the same decisions."""
    reads = "first" if head.first_only else "places" if kind in ("tag", "span") else "grid"
    inputs = HEADS[kind].roles[: 2 if kind in ("span", "match") else 1]
    decode = Fields(decode_of(head), "decode")
    task = Task("task", kind, inputs, (), kind == "match", 512, 8, "task", None, reads, decode)
    writes = isinstance(head, Writer)
    files = {"pieces.json": head.fitted["tokenizer"]} if writes else {}
    return HEADS[kind](task, files, stepping(head.decoder) if writes else None)


@torch.no_grad()
def outputs_of(head: Head, states: Packed, index: np.ndarray) -> Arrays:
    """What the graph of a head gives."""
    found: dict[str, torch.Tensor]
    if isinstance(head, Classify):
        found = {"logits": head.logits(states)}
    elif isinstance(head, Regress):
        found = {"values": head.values(states)}
    elif isinstance(head, Tag | Span):
        found = {"logits": head.readout(states.values[torch.from_numpy(index)])}
    elif isinstance(head, Match):
        found = {"vectors.text": head.vectors(pool(states, head.options.pool), "text")}
    else:
        assert isinstance(head, Writer)
        found = memory_of(head.decoder, states)
    return {name: value.numpy() for name, value in found.items()}


def memory_of(decoder: Decoder, states: Packed) -> dict[str, torch.Tensor]:
    """``memory.k.i`` and ``memory.v.i`` (B, H, L, K)."""
    memory = decoder.open(states).memory  # (layers, 2, B, H, L, K)
    return {f"memory.{n}.{i}": memory[i, j] for i in range(len(memory)) for j, n in enumerate("kv")}


def stepping(decoder: Decoder) -> Any:
    """The graph of one step, in plain PyTorch: a cache for each hypothesis, nothing shared."""

    @torch.no_grad()
    def run(fields: Arrays) -> Arrays:
        given = {name: torch.from_numpy(np.asarray(value)) for name, value in fields.items()}
        x = decoder._embed(given["token"][:, None], decoder.places[given["position"]])  # (R, 1, D)
        out = {}
        for i, layer in enumerate(decoder.layers):
            q, k, v = layer._split(layer.own(layer.norm_own(x)), 3).unbind(2)  # (R, 1, H, K) each
            keys = torch.cat([given[f"self.k.{i}"], k.transpose(1, 2)], 2)
            values = torch.cat([given[f"self.v.{i}"], v.transpose(1, 2)], 2)
            out[f"grown.k.{i}"], out[f"grown.v.{i}"] = keys, values
            x = x + layer.own_out(_look(q, keys, values, None))
            q = layer._split(layer.ask(layer.norm_ask(x)), 1)[:, :, 0]
            mask = given["memory.mask"][:, None, None]
            x = x + layer.ask_out(_look(q, given[f"memory.k.{i}"], given[f"memory.v.{i}"], mask))
            x = x + layer.down(torch.relu(layer.up(layer.norm_up(x))))
        out["logits"] = (decoder.norm(x) @ decoder.vectors.T)[:, 0]
        return {name: value.numpy().copy() for name, value in out.items()}

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
