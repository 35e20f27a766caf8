"""segment: a class for each pixel of an image, from the states of its patches (see ``pixels``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets
from unisono.heads.distill import TEMPERATURE, soft_classes
from unisono.heads.pixels import PixelOptions, Pixels
from unisono.heads.places import grids
from unisono.packed import Packed
from unisono.pictures import BadPicture, numbers
from unisono.runtime.masks import masked
from unisono.views import TURN

_VOID = 255  # in stored masks: a pixel without a label


class SegmentOptions(PixelOptions):
    """What a recipe may say about a segmentation head."""

    void: tuple[int, ...] = Field((), description="numbers in masks that stand for no label")
    names: dict[int, str] | None = Field(
        None, description="number in masks -> name of the class; default: all numbers in the training masks"
    )


class Segment(Pixels):
    """Softmax over classes at each pixel.

    The label is a mask of the image's proportions: a file whose pixels are class numbers. ``None`` is a missing label,
    and so are pixels of a number that is void or that no training mask has.

    ``fitted``: ``numbers`` (V, ascending): the class numbers in the order of the logits.
    """

    Options: ClassVar[type[base.Options]] = SegmentOptions

    options: SegmentOptions

    def __init__(self, width: int, options: SegmentOptions, fitted: dict[str, Any]) -> None:
        super().__init__(width, options, fitted, len(fitted["numbers"]))
        self.numbers = np.array(fitted["numbers"], np.int32)  # (V,)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: SegmentOptions) -> dict[str, Any]:
        found: set[int] = set(options.names or ())
        if not found:
            for row in rows:
                try:
                    found.update(() if row.get("mask") is None else np.unique(numbers(row["mask"])).tolist())
                except BadPicture:
                    continue  # encode will say so, once, with the row's number
        found -= set(options.void)
        if not found:
            raise ValueError("no training row has a mask; see where the masks come from, or name classes: head.names")
        if len(found) == 1:
            raise ValueError(f"every training mask holds {found.pop()} alone: there is nothing to tell apart")
        if len(found) > _VOID:
            raise ValueError(f"the masks hold {len(found)} numbers, {_VOID} classes at most can be told apart")
        return {"numbers": sorted(found)}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``mask``: (h * w,) uint8 places in ``numbers`` at the decoder's resolution; ``turn``, where the image has no
        up.
        """
        said = self.label(row, tokens, numbers, -1)
        at = np.searchsorted(self.numbers, said).clip(max=len(self.numbers) - 1)
        mask = np.where(self.numbers[at] == said, at, _VOID).astype(np.uint8)
        return {"mask": mask.reshape(-1), **({TURN: np.ones(1, np.int32)} if self.options.turn else {})}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``mask``: the pixels of all rows end to end, int64; ``grid``: (B, 4), as the image stem gives it."""
        mask = torch.from_numpy(np.concatenate([self.seen(e) for e in examples]).astype(np.int64))
        return {"mask": mask.masked_fill_(mask == _VOID, MISSING), "grid": grids(examples)}

    def units(self, targets: Targets) -> int:
        """Pixels with a label."""
        return int((targets["mask"] != MISSING).sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        masks = self.masks(targets)
        total = states.values.new_zeros((), dtype=torch.float32)
        for rows, logits in self.maps(states, targets):
            goal = torch.stack([masks[b] for b in rows]).view(len(rows), *logits.shape[2:])
            total = total + F.cross_entropy(logits, goal, ignore_index=MISSING, reduction="none").sum()
        return Loss(total, self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        assert isinstance(teacher, Segment)
        masks = self.masks(targets)
        total = states.values.new_zeros((), dtype=torch.float32)
        with torch.no_grad():
            goals = list(teacher.maps(taught, targets))
        for (rows, logits), (_, goal) in zip(self.maps(states, targets), goals, strict=True):
            known = torch.stack([masks[b] for b in rows]).flatten() != MISSING
            ours, theirs = (x.permute(0, 2, 3, 1).flatten(0, 2) for x in (logits, goal))  # (b * h * w, V)
            total = total + (soft_classes(ours, theirs, temperature) * known).sum()
        return Loss(total, self.units(targets))

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"size": [h, w], "runs": [[number, pixels], ...], "shares": {name: share}, "names", "void"}``: the mask in
        runs of equal numbers, row by row from the top, at the image's own size.
        """
        out: list[Prediction] = [{}] * states.layout.count
        names = {number: self.name(number) for number in self.numbers.tolist()}
        for rows, logits in self.maps(states, targets):
            for b, one in zip(rows, logits.cpu().numpy(), strict=True):
                height, width = targets["grid"][b, 2:].tolist()
                out[b] = masked(one, (height, width), self.numbers, names, self.options.void)
        return out

    def name(self, number: int) -> str:
        return (self.options.names or {}).get(number, str(number))
