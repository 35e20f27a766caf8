"""detect, set: boxes by queries that are matched with the objects, one to one; nothing is suppressed afterwards.

DETR (Carion et al. 2020, https://arxiv.org/abs/2005.12872): the cheapest matching decides which query learns which
object, all others learn that they see none, and so after each decoder layer. It takes long to find out who looks
where: from few images and in short time the dense decoder learns far more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unisono.heads.base import Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.boxes import edges, giou
from unisono.heads.detect import Detect, DetectOptions
from unisono.heads.distill import TEMPERATURE, soft_classes
from unisono.heads.matching import match
from unisono.heads.places import grids
from unisono.heads.queries import Queries, places
from unisono.packed import Layout, Packed
from unisono.runtime.boxes import of_queries
from unisono.views import PLAIN, VIEW, visible

_UNKNOWN = -1  # as a number of objects: an image without labels
_SIDES, _OVERLAP = 5.0, 2.0  # what L1 and generalized IoU weigh beside the class (appendix A.4)
_NO_OBJECT = 0.1  # what a query without an object weighs in the cross-entropy (section 4)


class DetectSet(Detect):
    """A class, or none, and a box for each query.

    The loss of an image is, summed over the decoder's layers: the weighted mean cross-entropy of its queries' classes,
    and the mean over its objects of L1 and generalized IoU. (The authors take these means over a batch; over an image
    they do not depend on what else is in the batch.)
    """

    def __init__(self, width: int, options: DetectOptions, fitted: dict[str, Any]) -> None:
        super().__init__(width, options, fitted)
        self.decoder = Queries(
            options.queries,
            width=width,
            layers=options.layers,
            heads=options.heads or max(1, width // 32),
            feedforward=options.feedforward or 4 * width,
            dropout=options.dropout,
        )
        self.classes = nn.Linear(width, len(self.labels) + 1)  # the last: no object
        self.sides = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
        )

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """As of both decoders, but boxes are cut off where they leave the image."""
        example = super().encode(row, tokens)
        boxes = example["boxes"].clip(-1, 1)
        if (boxes.reshape(-1, 4)[:, 2:] <= boxes.reshape(-1, 4)[:, :2]).any():
            raise UnfitRow("a box outside the image")
        return {**example, "boxes": boxes}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``classes`` (M,) int64 and ``boxes`` (M, 4) of all objects end to end, a box being its middle, width and
        height as shares of the image's sides; ``counts`` (B,), -1 where unknown; ``grid`` (B, 4).
        """
        boxes, objects, counts = [], [], []
        for example in examples:
            found, kept = visible(example.get(VIEW, PLAIN), example["boxes"].reshape(-1, 4))
            boxes.append(found[kept])
            objects.append(example["objects"][kept])
            counts.append(int(kept.sum()) if example["known"][0] else _UNKNOWN)
        sides = torch.from_numpy(np.concatenate(boxes).astype(np.float32))
        start, end = ((sides + 1) / 2).split(2, -1)
        return {
            "classes": torch.from_numpy(np.concatenate(objects).astype(np.int64)),
            "boxes": torch.cat([(start + end) / 2, end - start], 1),
            "counts": torch.tensor(counts),
            "grid": grids(examples),
        }

    def units(self, targets: Targets) -> int:
        """Images with labels."""
        return int((targets["counts"] != _UNKNOWN).sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        logits, boxes = self.guesses(states, targets)  # (R, B, Q, V + 1), (R, B, Q, 4), R layers
        layers, rows = logits.shape[:2]
        counts = targets["counts"].clamp(min=0)
        objects, goals = (_padded(targets[name], counts.tolist()) for name in ("classes", "boxes"))  # (B, n), (B, n, 4)
        cost = self._cost(logits, boxes, objects, goals).flatten(0, 1)  # (R * B, Q, n)
        at, query, thing = match(cost, counts.repeat(layers).tolist())
        layer, row = at // rows, at % rows

        wanted = torch.full(logits.shape[:3], len(self.labels), device=logits.device)
        wanted[layer, row, query] = objects[row, thing]
        weights = torch.where(wanted == len(self.labels), _NO_OBJECT, 1.0)  # (R, B, Q)
        named = F.cross_entropy(logits.flatten(0, 2), wanted.flatten(), reduction="none").view_as(weights)
        each = (named * weights).sum(2) / weights.sum(2)  # (R, B)

        ours, goal = boxes[layer, row, query], goals[row, thing]  # (P, 4)
        apart = _SIDES * (ours - goal).abs().sum(1) + _OVERLAP * (1 - giou(edges(ours), edges(goal)))
        each = each.index_put((layer, row), apart / counts[row].clamp(max=self.options.queries), accumulate=True)
        return Loss((each * (targets["counts"] != _UNKNOWN)).sum(), self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Query by query: the teacher's class, and its box where it sees an object."""
        assert isinstance(teacher, DetectSet)
        logits, boxes = self.guesses(states, targets)
        with torch.no_grad():
            wanted, goals = teacher.guesses(taught, targets)
        seen = 1 - wanted.softmax(-1)[..., -1]  # (R, B, Q)
        weights = _NO_OBJECT + (1 - _NO_OBJECT) * seen
        named = soft_classes(logits.flatten(0, 2), wanted.flatten(0, 2), temperature).view_as(seen)
        each = (named * weights).sum(2) / weights.sum(2)
        apart = _SIDES * (boxes - goals).abs().sum(-1) + _OVERLAP * (1 - giou(edges(boxes), edges(goals)))
        each = each + (apart * seen).sum(2) / seen.sum(2).clamp(min=1)
        return Loss((each * (targets["counts"] != _UNKNOWN)).sum(), self.units(targets))

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"boxes": [{"label", "score", "box": [left, top, right, bottom]}, ...]}`` in pixels, best first."""
        logits, boxes = (guess[-1].cpu().numpy() for guess in self.guesses(states, targets))
        sizes = [(height, width) for _, _, height, width in targets["grid"].tolist()]
        threshold, most = self.options.threshold, self.options.most
        each = zip(logits, boxes, sizes, strict=True)
        return [{"boxes": of_queries(*e, threshold=threshold, most=most).listed(self.labels)} for e in each]

    def guesses(self, states: Packed, targets: Targets) -> tuple[Tensor, Tensor]:
        """(N, D) -> after each of R layers the class logits (R, B, Q, V + 1) and the boxes (R, B, Q, 4), middle, width
        and height as shares of the image, both float32.
        """
        layout = states.layout
        patches = states.values[layout.positions(states.device) > 0]  # without start vectors
        grid = [(down, across) for down, across in targets["grid"][:, :2].tolist()]
        where = places(grid, patches.shape[1]).to(patches)
        answers = self.decoder(Packed(patches, Layout(n - 1 for n in layout.lengths)), where)
        return self.classes(answers).float(), self.sides(answers).float().sigmoid()

    @torch.no_grad()
    def _cost(self, logits: Tensor, boxes: Tensor, objects: Tensor, goals: Tensor) -> Tensor:
        """(R, B, Q, n): what it costs that a query stands for an object (equation 1 and appendix A.2)."""
        layers, _, queries, _ = logits.shape
        named = logits.softmax(-1).gather(-1, objects[None, :, None].expand(layers, -1, queries, -1))
        ours, goal = boxes[:, :, :, None], goals[None, :, None]
        return _SIDES * (ours - goal).abs().sum(-1) - _OVERLAP * giou(edges(ours), edges(goal)) - named


def _padded(values: Tensor, counts: Sequence[int]) -> Tensor:
    """(M, ...) end to end -> (B, n_max, ...), filled up with zeros."""
    return torch.nn.utils.rnn.pad_sequence(values.split(list(counts)), batch_first=True)
