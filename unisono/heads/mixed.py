"""mixed: labels of rows that were mixed with others (``unisono.blending``), and the loss of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from unisono.heads.base import OTHER, SHARE, Targets


def with_others(
    examples: Sequence[Mapping[str, np.ndarray]], name: str, collate: Callable[[list[np.ndarray]], Tensor]
) -> Targets:
    """The labels ``name`` of a batch, and where a row of it was mixed also ``other/NAME`` and ``share`` (B,): the
    labels of the rows that were mixed in, and by how much the first count.
    """
    out = {name: collate([e[name] for e in examples])}
    if any(SHARE in e for e in examples):
        out[OTHER + name] = collate([e.get(OTHER + name, e[name]) for e in examples])
        out[SHARE] = torch.from_numpy(np.concatenate([e.get(SHARE, np.ones(1, np.float32)) for e in examples]))
    return out


def of_both(loss: Callable[[Tensor], Tensor], targets: Targets, name: str) -> Tensor:
    """The losses (B,) of the labels; of a mixed row, by their shares."""
    each = loss(targets[name])
    if SHARE not in targets:
        return each
    share = targets[SHARE]
    return share * each + (1 - share) * loss(targets[OTHER + name])
