"""Hiding: examples of a task that learns from what is hidden of its input, before they become a pack.

The head says which vectors, the stems what stands in their place; all after that sees an input like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import torch

from unisono.heads import MISSING, Example, Head, hidden_fields
from unisono.inputs import SEGMENTS
from unisono.stems import Contents, Hiding, Stem
from unisono.stems.hiding import LEFT


def hidden(
    examples: Sequence[Mapping[str, np.ndarray]], stems: Mapping[str, Stem], head: Head, *, training: bool
) -> list[Example]:
    """Examples with a part of their input hidden, and where, and what was there (``hidden_fields``).

    In training the draw is new each time, from torch's generator. Otherwise a row's content alone decides, so that it
    is the same part in every pack and every run; if the row has masks of its own, they are what is hidden.

    Args:
        examples: what the stems made of rows.
        stems: those of the task, in order.
        head: whose ``hides`` is true.
    """
    draw = np.random.default_rng(int(torch.randint(1 << 62, ()))) if training else None
    return [_hidden(example, stems, head, draw) for example in examples]


def _hidden(
    example: Mapping[str, np.ndarray], stems: Mapping[str, Stem], head: Head, draw: np.random.Generator | None
) -> Example:
    out = dict(example)
    lengths = example[SEGMENTS] if SEGMENTS in example else np.ones(len(stems), np.int32)
    starts = np.cumsum(lengths) - lengths if SEGMENTS in example else np.zeros(len(stems), np.int32)
    seen: dict[str, tuple[int, Contents]] = {}
    for (name, stem), start, length in zip(stems.items(), starts, lengths, strict=True):
        if length:
            assert isinstance(stem, Hiding)
            out = stem.varied(out) if draw else out
            seen[name] = (int(start), stem.contents(out))
    asked = draw is None and any(contents.asked.any() for _, contents in seen.values())
    for name, (start, contents) in seen.items():
        stem = stems[name]
        assert isinstance(stem, Hiding)
        places, known = hidden_fields(name)
        if asked:
            (at,) = contents.asked.nonzero()
            out[known] = np.full(len(at), MISSING, np.int32)
        else:
            own = draw or np.random.default_rng(crc32(contents.known.tobytes()))
            how = head.choose(contents.free, own, training=draw is not None, values=contents.known.ndim > 1)
            (at,) = (how != LEFT).nonzero()
            out = {**stem.hide(out, how, own), known: contents.known[at].reshape(-1)}
        out[places] = (start + at).astype(np.int32)
    return out
