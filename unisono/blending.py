"""blending: rows mixed with others of their batch, inputs and labels alike, in training.

mixup, Zhang et al. 2018 (https://arxiv.org/abs/1710.09412): x' = λ x_i + (1 - λ) x_j with λ ~ Beta(α, α), and the loss
λ L(y_i) + (1 - λ) L(y_j), which for cross-entropy is that of the mixed label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from unisono.heads import MISSING, OTHER, SHARE, Head
from unisono.stems import Stem
from unisono.views import VIEW

Examples = Sequence[Mapping[str, np.ndarray]]


def blended(examples: Examples, stem: Stem, head: Head) -> list[Mapping[str, np.ndarray]]:
    """Examples, each with another of its batch mixed in: its label is there under ``other/…``, λ under ``share``.

    A row without a label, or the only one of its size, stays as it is. Draws come from torch's generator.

    Args:
        stem: the one that reads the task's input.
        head: whose ``mixup`` is α.
    """
    groups: dict[object, list[int]] = {}
    for at, example in enumerate(examples):
        if not any((value == MISSING).any() or np.isnan(value).any() for value in _labels(example, stem).values()):
            groups.setdefault(stem.alike(example), []).append(at)
    out = list(examples)
    beta = torch.distributions.Beta(head.mixup, head.mixup)
    for places in groups.values():
        partners = [places[i] for i in torch.randperm(len(places))]
        for at, partner, share in zip(places, partners, beta.sample((len(places),)).tolist(), strict=True):
            one, other = examples[at], examples[partner]
            labels = {f"{OTHER}{name}": value for name, value in _labels(other, stem).items()}
            out[at] = {**one, **stem.blend(one, other, share), **labels, SHARE: np.array([share], np.float32)}
    return out


def _labels(example: Mapping[str, np.ndarray], stem: Stem) -> dict[str, np.ndarray]:
    return {name: value for name, value in example.items() if name not in (*stem.fields, VIEW)}
