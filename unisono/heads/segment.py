"""segment: a class for each pixel of an image, from the states of its patches (see ``pixels``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets
from unisono.heads.distill import TEMPERATURE, soft_classes
from unisono.heads.pixels import PixelOptions, Pixels
from unisono.heads.places import grids
from unisono.packed import Packed
from unisono.pictures import BadPicture, numbers
from unisono.runtime.masks import masked, of_tiles
from unisono.runtime.tiles import TILE
from unisono.views import TURN

_VOID = 255  # in stored masks: a pixel without a label


class SegmentOptions(PixelOptions):
    """What a recipe may say about a segmentation head."""

    only_with: ClassVar[base.OnlyWith] = {"overlap": ("tile", base.MANY)}

    void: tuple[int, ...] = Field((), description="numbers in masks that stand for no label")
    names: dict[int, str] | None = Field(
        None, description="number in masks -> name of the class; default: all numbers in the training masks"
    )
    tile: int | None = Field(
        None,
        ge=32,
        le=4096,
        description="side in pixels of the tiles in which a larger image is looked at; default: whole",
    )
    overlap: int = Field(64, ge=0, description="pixels that neighbouring tiles share; at most half of tile")

    @model_validator(mode="after")
    def _agree(self) -> SegmentOptions:
        if self.tile is not None and self.overlap > self.tile // 2:
            raise ValueError(f"overlap {self.overlap} is more than half of tile {self.tile}")
        return self


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
        """``mask``: the pixels of all rows end to end, int64; ``grid``: (B, 4), as the image stem gives it; ``tile``:
        (B, 4) where each lies in its image, which is the whole of it if it is no tile: top, left, height, width.
        """
        mask = torch.from_numpy(np.concatenate([self.seen(e) for e in examples]).astype(np.int64))
        whole = [e[TILE] if TILE in e else np.array([0, 0, *e["grid"][2:]], np.int32) for e in examples]
        return {
            "mask": mask.masked_fill_(mask == _VOID, MISSING),
            "grid": grids(examples),
            TILE: torch.from_numpy(np.stack(whole).astype(np.int64)),
        }

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
        runs of equal numbers, row by row from the top, at the image's own size, one of more than 4 million pixels at a
        smaller one. Of a tile, that of the tile and ``whole``, the image's size.
        """
        out: list[Prediction] = [{}] * states.layout.count
        for rows, logits in self.maps(states, targets):
            for b, one in zip(rows, logits.cpu().numpy(), strict=True):
                height, width = targets["grid"][b, 2:].tolist()
                top, left, *whole = targets[TILE][b].tolist()
                place = (top, left, top + height, left + width, *whole)
                out[b] = masked(one, place, self.numbers, self.names, self.options.void)
                if self.options.tile:
                    out[b]["whole"] = whole
        return out

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """The mask of an image from those of its tiles."""
        if len(parts) > 1:
            assert self.options.tile
            return of_tiles(parts, parts[0]["whole"], (self.options.tile, self.options.overlap), self.names)
        return {name: value for name, value in parts[0].items() if name != "whole"}

    @property
    def names(self) -> dict[int, str]:
        """Number in masks -> name of the class."""
        return {number: (self.options.names or {}).get(number, str(number)) for number in self.numbers.tolist()}
