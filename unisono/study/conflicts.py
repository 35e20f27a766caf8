"""Conflicts: pairs of tasks whose gradients pull the shared weights apart, and the layers in which they do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unisono.train import journal

WHOLE = "all"  # the name of all layers together in a ``gradients`` event


@dataclass(frozen=True)
class Conflict:
    """Two tasks whose gradients point away from each other.

    Args:
        tasks: the two. ``layers``: where their mean cosine is clearly below 0, the worst first.
        cosine: their mean cosine over all layers together.
    """

    tasks: tuple[str, str]
    layers: tuple[str, ...]
    cosine: float


def gradients(runs: Iterable[Path]) -> list[dict[str, Any]]:
    """The ``gradients`` events of runs."""
    return [event for run in runs for event in journal.read(run / journal.EVENTS) if event["event"] == "gradients"]


def conflicts(events: Sequence[dict[str, Any]]) -> list[Conflict]:
    """The pairs in conflict, worst first.

    A cosine differs from step to step; it counts as below 0 when its mean lies two standard errors below, or when it
    was seen once only and is negative.
    """
    seen: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        names = event["tasks"]
        for layer, cosines in event["cosines"].items():
            for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
                value = cosines[i][j]
                if value is not None and math.isfinite(value):
                    first, second = sorted((names[i], names[j]))
                    seen[first, second][layer].append(value)
    out = []
    for pair, layers in seen.items():
        below = {layer: float(np.mean(values)) for layer, values in layers.items() if _below(values)}
        whole = float(np.mean(layers[WHOLE])) if layers.get(WHOLE) else float(np.mean([*below.values(), 0.0]))
        parts = sorted((layer for layer in below if layer != WHOLE), key=lambda layer: below[layer])
        if below:
            out.append(Conflict(pair, tuple(parts), whole))
    return sorted(out, key=lambda conflict: conflict.cosine)


def _below(values: Sequence[float]) -> bool:
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values)) + 2 * error < 0
