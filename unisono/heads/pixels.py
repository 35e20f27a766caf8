"""pixels: what heads with a value or a class for each pixel share: a map from the states of an image's patches.

The map of patches is doubled a few times by learned upsampling (Long et al. 2015, https://arxiv.org/abs/1411.4038, on
patch states as in Strudel et al. 2021, https://arxiv.org/abs/2105.05633); the loss is taken at that resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads import base
from unisono.heads.base import Head, Row, Targets, UnfitRow
from unisono.heads.places import grid_of
from unisono.packed import Packed
from unisono.pictures import BadPicture, nearest
from unisono.runtime.tiles import TILE
from unisono.views import VIEW, shown


class PixelOptions(base.Options):
    """What a recipe may say about a head of pixels."""

    doublings: int = Field(
        2, ge=0, le=6, description="how often the sides of the map of patches double; log2(patch) is a class a pixel"
    )
    hidden: int = Field(64, ge=1, description="channels at the patches; halved at each doubling, 16 at least")
    turn: bool = Field(
        False, description="in training, turn images by quarters (unless square: by halves); for what has no up"
    )


class Pixels(Head):
    """A map of some channels over each image, and labels that lie on images as masks do."""

    labels_in = ("mask",)
    options: PixelOptions

    def __init__(self, width: int, options: PixelOptions, fitted: dict[str, Any], channels: int) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        inner = [max(16, options.hidden >> i) for i in range(options.doublings + 1)]
        steps: list[nn.Module] = [Dropout(options.dropout), nn.Conv2d(width, inner[0], 3, padding=1), nn.GELU()]
        for before, after in pairwise(inner):
            steps += [nn.ConvTranspose2d(before, after, 2, stride=2), nn.GELU()]
        self.decoder = nn.Sequential(*steps)
        self.last = nn.Conv2d(inner[-1], channels, 3, padding=1)

    def label(
        self, row: Row, tokens: Mapping[str, np.ndarray], read: Callable[[Any], np.ndarray], missing: float
    ) -> np.ndarray:
        """(h, w) the row's mask, or the part of it that lies on a tile, at the decoder's resolution; all ``missing``
        where there is none.

        Args:
            read: a file -> (H, W).

        Raises:
            UnfitRow: it cannot be read, or is not of the image's proportions.
        """
        down, across, height, width = grid_of(tokens)
        size = (down << self.options.doublings, across << self.options.doublings)
        if row.get("mask") is None:
            return np.full(size, missing)
        try:
            said = read(row["mask"])
        except BadPicture as reason:
            raise UnfitRow(f"the mask: {reason}") from None
        top, left, tall, wide = (int(n) for n in tokens.get(TILE, (0, 0, height, width)))
        if abs(said.shape[0] * wide - said.shape[1] * tall) > 0.02 * said.shape[1] * tall:
            raise UnfitRow("the mask does not have the image's proportions")
        begin, end = (y * said.shape[0] // tall for y in (top, top + height))
        first, last = (x * said.shape[1] // wide for x in (left, left + width))
        return nearest(said[begin : max(end, begin + 1), first : max(last, first + 1)], *size)

    def seen(self, example: Mapping[str, np.ndarray]) -> np.ndarray:
        """(h * w,): the example's ``mask`` as its image is looked at."""
        if VIEW not in example:
            return example["mask"]
        height, width = (int(n) << self.options.doublings for n in example["grid"][:2])
        rows, columns, _ = shown(example[VIEW], height, width)
        return np.asarray(example["mask"].reshape(height, width)[rows, columns].reshape(-1))

    def maps(self, states: Packed, targets: Targets) -> Iterator[tuple[list[int], Tensor]]:
        """Rows of like grids, and their maps (b, channels, h, w) float32 at the decoder's resolution."""
        alike: dict[tuple[int, int], list[int]] = {}
        for b, (down, across) in enumerate(targets["grid"][:, :2].tolist()):
            alike.setdefault((down, across), []).append(b)
        parts = states.split()
        for (down, across), rows in alike.items():
            patches = torch.stack([parts[b][1:] for b in rows])  # (b, h * w, D), without the start vector
            maps = patches.transpose(1, 2).unflatten(2, (down, across)).to(self.last.weight.dtype)
            yield rows, self.last(self.decoder(maps)).float()

    def masks(self, targets: Targets) -> Sequence[Tensor]:
        """B tensors: each row's pixels."""
        scale = 4**self.options.doublings
        return targets["mask"].split([down * across * scale for down, across in targets["grid"][:, :2].tolist()])
