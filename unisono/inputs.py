"""Inputs: the rows of a pack as their stems took them in, several inputs of a row laid in one sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unisono.packed import Layout
from unisono.stems import Stem, Tokens

# Field of an example: how many vectors each of the task's stems gives, 0 where its input is missing.
SEGMENTS = "segments"


@dataclass(frozen=True)
class Part:
    """One stem's share of a pack.

    Args:
        fields: what it collated, of the rows that have its input.
        layout: how many vectors each of these becomes.
        places: (N_s,) where they go in the pack; None: they are all of it.
    """

    fields: Mapping[str, Tensor]
    layout: Layout
    places: Tensor | None = None

    def to(self, device: torch.device) -> Part:
        places = None if self.places is None else self.places.to(device)
        return replace(self, fields={name: f.to(device) for name, f in self.fields.items()}, places=places)


@dataclass(frozen=True)
class Inputs:
    """What the stems made of the rows of a pack.

    Args:
        layout: how many vectors each row has, all stems together.
        parts: stem -> its share, in the order in which inputs lie in a row's sequence.
    """

    layout: Layout
    parts: Mapping[str, Part]

    def to(self, device: torch.device) -> Inputs:
        return replace(self, parts={name: part.to(device) for name, part in self.parts.items()})

    @property
    def types(self) -> Tensor | None:
        """(N,) int64 token types, where a text is a pair; 0 for what is no text."""
        part = self.parts.get("text")
        types = part.fields.get("types") if part else None
        if part is None or types is None or part.places is None:
            return types
        return types.new_zeros(self.layout.total).index_copy(0, part.places, types)


def read(
    rows: Sequence[Mapping[str, Any]],
    stems: Mapping[str, Stem],
    roles: Mapping[str, Sequence[str]],
    *,
    asked: Sequence[str],
    words: bool,
    most: Mapping[str, int | None],
) -> list[Tokens | str]:
    """What the stems make of each row's inputs; for a row that has none, or a broken one, the reason instead.

    Args:
        rows: role -> value.
        stems: those of the task, in order; ``roles``: stem -> the roles that it reads.
        asked: the roles of which a row must have one, for the reason.
        words: text is already split into words.
        most: stem -> vectors of a row at most; None: the stem's own limit.
    """
    found: list[Tokens] = [{} for _ in rows]
    reasons: dict[int, str] = {}
    lengths = np.zeros((len(rows), len(stems)), np.int32)
    for at, (name, stem) in enumerate(stems.items()):
        have = [i for i, row in enumerate(rows) if any(row.get(role) is not None for role in roles[name])]
        taken = stem.tokens([rows[i] for i in have], words=words, max_length=most[name])
        for i, tokens in zip(have, taken, strict=True):
            if isinstance(tokens, str):
                reasons.setdefault(i, tokens)
            else:
                found[i] |= tokens
                lengths[i, at] = stem.length(tokens)
    out: list[Tokens | str] = []
    for i, example in enumerate(found):
        if i in reasons or not lengths[i].any():
            out.append(reasons.get(i, f"no input: {' and '.join(asked)} missing"))
        else:
            out.append(example if len(stems) == 1 else {**example, SEGMENTS: lengths[i]})
    return out


def collate(stems: Mapping[str, Stem], examples: Sequence[Mapping[str, np.ndarray]]) -> Inputs:
    """Examples end to end, in their order.

    Args:
        stems: those of the task, in order.
        examples: what the stems' ``tokens`` gave of each row, and with more than one stem ``segments``.
    """
    if len(stems) == 1:
        ((name, stem),) = stems.items()
        layout = Layout(stem.length(e) for e in examples)
        return Inputs(layout, {name: Part(stem.collate(examples), layout)})
    lengths = np.stack([e[SEGMENTS] for e in examples]).astype(np.int64)  # (B, S)
    layout = Layout(lengths.sum(1).tolist())
    starts = np.array(layout.offsets[:-1])[:, None] + np.cumsum(lengths, 1) - lengths  # (B, S)
    parts = {}
    for at, (name, stem) in enumerate(stems.items()):
        rows = np.flatnonzero(lengths[:, at]).tolist()
        if rows:
            own = Layout(lengths[rows, at].tolist())
            places = np.concatenate(
                [np.arange(n) + start for n, start in zip(own.lengths, starts[rows, at], strict=True)]
            )
            parts[name] = Part(stem.collate([examples[row] for row in rows]), own, torch.from_numpy(places))
    return Inputs(layout, parts)
