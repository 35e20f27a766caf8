"""dense: a number for each pixel of an image (how far away it is, say), from the states of its patches.

The decoder is that of ``segment``. Losses as compared by Laina et al. 2016 (https://arxiv.org/abs/1606.00373).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import Example, Head, Loss, Prediction, Row, Targets
from unisono.heads.distill import TEMPERATURE
from unisono.heads.pixels import PixelOptions, Pixels
from unisono.heads.places import grids
from unisono.packed import Packed
from unisono.pictures import BadPicture, values
from unisono.views import TURN

_BERHU = 0.2  # where berHu bends, as a share of the largest error of an image (section 3.2)


class DenseOptions(PixelOptions):
    """What a recipe may say about a head of numbers for pixels."""

    loss: Literal["l1", "berhu", "l2"] = Field(
        "l1", description="of a pixel's error: absolute, squared, or berhu: absolute up to a bend, squared beyond it"
    )
    void: tuple[float, ...] = Field((), description="values in files that stand for no label, such as 0")


class Dense(Pixels):
    """One number for each pixel.

    The label is an image of one channel (8, 16 or 32 bits, or floating point) or an array (NPY) of the image's
    proportions. ``None`` is a missing label, and so are pixels that are not finite or whose value is void. The unit is
    a pixel; the loss is that of values less their mean, in their standard deviations.

    ``fitted``: ``mean`` and ``spread`` of the training pixels.
    """

    Options: ClassVar[type[base.Options]] = DenseOptions

    options: DenseOptions

    def __init__(self, width: int, options: DenseOptions, fitted: dict[str, Any]) -> None:
        super().__init__(width, options, fitted, 1)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: DenseOptions) -> dict[str, Any]:
        count, mean, square = 0, 0.0, 0.0  # Chan et al. 1979: sums of squares about the mean, image by image
        for row in rows:
            try:
                found = np.zeros(0) if row.get("mask") is None else _known(values(row["mask"]), options.void)
            except BadPicture:
                continue  # encode will say so, once, with the row's number
            if len(found := found[np.isfinite(found)].astype(np.float64)):
                apart, share = found.mean() - mean, len(found) / (count + len(found))
                square += float(np.square(found - found.mean()).sum()) + apart**2 * count * share
                mean, count = mean + float(apart) * share, count + len(found)
        if not count:
            raise ValueError("no training row has a mask with values; see where the masks come from")
        return {"mean": mean, "spread": (square / count) ** 0.5 or 1.0}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``mask``: (h * w,) float32 values at the decoder's resolution, NaN where there is none; ``turn``, where the
        image has no up.
        """
        found = self.label(row, tokens, lambda file: _known(values(file), self.options.void), np.nan)
        turn = {TURN: np.ones(1, np.int32)} if self.options.turn else {}
        return {"mask": found.astype(np.float32).reshape(-1), **turn}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``mask``: the pixels of all rows end to end, float32, NaN where unknown; ``grid``: (B, 4)."""
        return {"mask": torch.from_numpy(np.concatenate([self.seen(e) for e in examples])), "grid": grids(examples)}

    def units(self, targets: Targets) -> int:
        """Pixels with a label."""
        return int(targets["mask"].isfinite().sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        total = states.values.new_zeros((), dtype=torch.float32)
        for found, goal in self._pairs(states, targets):
            goal = (goal - self.fitted["mean"]) / self.fitted["spread"]
            total = total + self._apart(found, goal)
        return Loss(total, self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        assert isinstance(teacher, Dense)
        total = states.values.new_zeros((), dtype=torch.float32)
        with torch.no_grad():
            wanted = [found for found, _ in teacher._pairs(taught, targets)]
        for (found, goal), theirs in zip(self._pairs(states, targets), wanted, strict=True):
            total = total + self._apart(found, torch.where(goal.isfinite(), theirs, goal))
        return Loss(total, self.units(targets))

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"size": [h, w], "values": [number, ...], "void": [number, ...]}``: the values row by row from the top, at
        the decoder's resolution.
        """
        out: list[Prediction] = [{}] * states.layout.count
        for rows, maps in self.maps(states, targets):
            numbers = maps[:, 0] * self.fitted["spread"] + self.fitted["mean"]
            for b, one in zip(rows, numbers, strict=True):
                out[b] = {"size": list(one.shape), "values": one.flatten().tolist(), "void": list(self.options.void)}
        return out

    def _pairs(self, states: Packed, targets: Targets) -> Iterator[tuple[Tensor, Tensor]]:
        """Of rows of like grids the map (b, h * w), and the labels (b, h * w), NaN where there is none."""
        masks = self.masks(targets)
        for rows, maps in self.maps(states, targets):
            yield maps.flatten(1), torch.stack([masks[b] for b in rows])

    def _apart(self, found: Tensor, goal: Tensor) -> Tensor:
        """(b, h * w) each -> the sum over pixels with a label."""
        known = goal.isfinite()
        error = (found - goal.nan_to_num()).abs() * known
        if self.options.loss == "l1":
            return error.sum()
        if self.options.loss == "l2":
            return error.square().sum()
        bend = _BERHU * error.detach().max(1, keepdim=True).values.clamp(min=1e-6)
        return torch.where(error <= bend, error, (error**2 + bend**2) / (2 * bend)).sum()


def _known(found: np.ndarray, void: Sequence[float]) -> np.ndarray:
    """The values, NaN where they stand for none."""
    return np.where(np.isin(found, np.array(void, np.float32)), np.float32(np.nan), found)
