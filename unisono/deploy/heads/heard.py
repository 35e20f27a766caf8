"""heard: heads of sounds: transcribe, by CTC or by a decoder that is run step by step, and speaker."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unisono.deploy.graph import Graph
from unisono.deploy.heads.base import Exported, example
from unisono.deploy.heads.placed import placed
from unisono.deploy.heads.pooled import pooled, reads
from unisono.deploy.heads.written import decoded
from unisono.heads import Targets
from unisono.heads.speaker import Speaker
from unisono.heads.transcribe import BEGIN, Transcribe
from unisono.packed import Layout, Packed


def transcribed(head: Transcribe, name: str) -> Exported:
    """By CTC ``logits`` (W, V) of the states of the sound; by attention keys and values, as of heads that write.

    ``decode``: the ``decoder``, ``characters``, ``beams``; by attention also ``layers`` and ``max_length``.
    """
    options = head.options
    decode = {"decoder": options.decoder, "characters": list(head.characters), "beams": options.beams}
    if head.decoder is not None:
        return decoded(head.decoder, name, BEGIN, options.max_length, decode)
    return Exported(
        placed(head.readout, name),
        "places",
        decode,
        lambda states, targets: {"logits": head.logits(states)[_of_sound(states.layout, targets)]},
        index=_of_sound,
    )


def _of_sound(layout: Layout, targets: Targets) -> Tensor:
    """(W,) the tokens that are the sound's: of each sequence the first."""
    cpu = torch.device("cpu")
    if "steps" not in targets:
        return torch.arange(layout.total)
    return (layout.positions(cpu) < targets["steps"][layout.segments(cpu)]).nonzero()[:, 0]


class _Recognized(nn.Module):
    """``states`` and ``index`` -> ``vectors`` (B, E) of length 1 and ``logits`` (B, V)."""

    directions: Tensor

    def __init__(self, head: Speaker) -> None:
        super().__init__()
        self.vector, self.how = head.vector, head.options.pool
        directions = F.normalize(head.directions.detach().float(), dim=-1) * head.options.scale
        self.register_buffer("directions", directions.t().contiguous())

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        vectors = F.normalize(self.vector(pooled(fields["states"], fields["index"], self.how)), dim=-1)
        return {"vectors": vectors, "logits": vectors @ self.directions}


def recognized(head: Speaker, name: str) -> Exported:
    """``vectors`` (B, E) of length 1, and ``logits`` (B, V) of the known speakers. ``decode``: their ``labels``."""
    linear = next(m for m in head.vector if isinstance(m, nn.Linear))
    how = head.options.pool
    inputs, dims = example(linear.in_features, reads(how))

    def expected(states: Packed, _: Targets) -> dict[str, Tensor]:
        return {"vectors": head.vectors(states), "logits": head.cosines(states) * head.options.scale}

    outputs: Any = {"vectors": ("B", None), "logits": ("B", None)}
    graph = Graph(name, _Recognized(head), inputs, dims, outputs)
    return Exported(graph, reads(how), {"labels": list(head.labels)}, expected)
