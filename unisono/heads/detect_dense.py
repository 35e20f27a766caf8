"""detect, dense: boxes by a guess at each patch: the class, the sides of the box, how central it is.

FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355) on one map, that of the patch states, with its centre sampling
(the authors' later default) and the loss of generalized intersection over union (Rezatofighi et al. 2019,
https://arxiv.org/abs/1902.09630). Every patch near the middle of an object teaches, so few images suffice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads.base import Head, Loss, Prediction, Targets
from unisono.heads.boxes import corners, giou
from unisono.heads.detect import Detect, DetectOptions
from unisono.heads.distill import TEMPERATURE, soft_labels
from unisono.heads.patches import UNKNOWN, assigned
from unisono.heads.places import grids
from unisono.packed import Packed
from unisono.runtime.boxes import of_patches
from unisono.views import VIEW

_COMMON = 0.01  # probability of an object at a patch before training (Lin et al. 2017, section 4.1)
_ALPHA, _GAMMA = 0.25, 2.0  # of the focal loss, as there


class DetectDense(Detect):
    """A class, four distances and a centredness for each patch. The loss of an image is a sum over patches divided by
    the patches that stand for an object.
    """

    def __init__(self, width: int, options: DetectOptions, fitted: dict[str, Any]) -> None:
        super().__init__(width, options, fitted)
        hidden = options.hidden or width
        self.hidden = nn.Sequential(Dropout(options.dropout), nn.Linear(width, 2 * hidden), nn.GELU())
        self.classes = nn.Linear(hidden, len(self.labels))
        self.shape = nn.Linear(hidden, 5)  # log distances to left, top, right, bottom, in patches; centredness
        nn.init.constant_(self.classes.bias, -math.log((1 - _COMMON) / _COMMON))

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``classes`` (M,) int64 of the object at each patch, -1 for none, and ``sides`` (M, 4) distances to its sides
        in patches, of all patches end to end; ``grid`` (B, 4).
        """
        found = [self._assigned(e) for e in examples]
        return {
            "classes": torch.from_numpy(np.concatenate([classes for classes, _ in found])),
            "sides": torch.from_numpy(np.concatenate([sides for _, sides in found])),
            "grid": grids(examples),
        }

    def _assigned(self, example: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        grid = int(example["grid"][0]), int(example["grid"][1])
        boxes = example["boxes"].reshape(-1, 4)
        classes, sides = assigned(boxes, example["objects"], grid, self.options.radius, example.get(VIEW))
        return classes if example["known"][0] else np.full_like(classes, UNKNOWN), sides

    def units(self, targets: Targets) -> int:
        """Images with labels."""
        counts = targets["grid"][:, :2].prod(1).tolist()
        return sum(int((part != UNKNOWN).any()) for part in targets["classes"].split(counts))

    def loss(self, states: Packed, targets: Targets) -> Loss:
        logits, sides, centred, rows = self.guesses(states)
        classes, goal = targets["classes"], targets["sides"]
        known, at = classes != UNKNOWN, classes >= 0  # (M,)
        named = F.one_hot(classes.clamp(min=0), len(self.labels)) * at[:, None]
        each = _focal(logits, named.to(logits.dtype)).sum(1) * known
        fit = 1 - giou(corners(sides), corners(goal))
        middle = F.binary_cross_entropy_with_logits(centred, _centred(goal), reduction="none")
        each = each + torch.where(at, fit + middle, 0.0)
        found = each.new_zeros(states.layout.count).index_add(0, rows, at.to(each.dtype)).clamp(min=1)  # (B,)
        return Loss((each / found[rows]).sum(), self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """The teacher's classes and centredness at every patch, its boxes where it sees an object."""
        assert isinstance(teacher, DetectDense)
        logits, sides, centred, rows = self.guesses(states)
        with torch.no_grad():
            wanted, goal, middle, _ = teacher.guesses(taught)
        seen = wanted.sigmoid().max(1).values  # (M,)
        each = soft_labels(logits, wanted, temperature).sum(1) + soft_labels(centred, middle, temperature) * seen
        each = (each + seen * (1 - giou(corners(sides), corners(goal)))) * (targets["classes"] != UNKNOWN)
        found = each.new_zeros(states.layout.count).index_add(0, rows, seen).clamp(min=1)  # (B,)
        return Loss((each / found[rows]).sum(), self.units(targets))

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"boxes": [{"label", "score", "box": [left, top, right, bottom]}, ...]}`` in pixels, best first."""
        logits, sides, centred, _ = (x.cpu().numpy() for x in self.guesses(states))
        options, out, start = self.options, [], 0
        for down, across, height, width in targets["grid"].tolist():
            own = slice(start, start + down * across)
            found = of_patches(
                logits[own],
                sides[own],
                centred[own],
                (down, across, height, width),
                threshold=options.threshold,
                overlap=options.overlap,
                most=options.most,
            )
            out.append({"boxes": found.listed(self.labels)})
            start = own.stop
        return out

    def guesses(self, states: Packed) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N, D) -> of the M patches, without start vectors: class logits (M, V), distances to the sides in patches
        (M, 4), logits of centredness (M,), all float32, and the row of each (M,).
        """
        layout = states.layout
        patches = layout.positions(states.device) > 0
        return *self.of_patches(states.values[patches]), layout.segments(states.device)[patches]

    def of_patches(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(M, D) -> the first three of ``guesses``."""
        what, where = self.hidden(patches.to(self.classes.weight.dtype)).chunk(2, -1)
        logits, shape = self.classes(what).float(), self.shape(where).float()
        return logits, shape[:, :4].clamp(-6, 8).exp(), shape[:, 4]


def _focal(logits: Tensor, goal: Tensor) -> Tensor:
    """Lin et al. 2017 (https://arxiv.org/abs/1708.02002), equation 5, of independent classes: (M, V) each."""
    p = logits.sigmoid()
    right = p * goal + (1 - p) * (1 - goal)
    share = _ALPHA * goal + (1 - _ALPHA) * (1 - goal)
    return share * (1 - right) ** _GAMMA * F.binary_cross_entropy_with_logits(logits, goal, reduction="none")


def _centred(sides: Tensor) -> Tensor:
    """(M, 4) -> (M,): 1 in the middle of a box, 0 at its edge (Tian et al. 2019, equation 3)."""
    across, down = sides[:, 0::2], sides[:, 1::2]
    ratios = [side.min(1).values / side.max(1).values.clamp(min=1e-6) for side in (across, down)]
    return (ratios[0] * ratios[1]).sqrt()
