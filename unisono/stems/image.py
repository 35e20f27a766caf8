"""Image stem: an image -> patches in reading order, one vector each, after a learned start vector.

Dosovitskiy et al. 2021 (https://arxiv.org/abs/2010.11929); sine positions in two dimensions as in Beyer et al. 2022
(https://arxiv.org/abs/2205.01580); convolutions before the cut as in Hassani et al. 2021
(https://arxiv.org/abs/2104.05704), which learn from few images what patches alone do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unisono.packed import Layout
from unisono.runtime.stems import Image
from unisono.runtime.stems.tiling import Tiling
from unisono.runtime.tiles import TILE
from unisono.stems.augment import Augmentation, Blending, augmented, drawn, views
from unisono.stems.base import Stem, Tokens
from unisono.stems.hiding import MASKED, Contents, Hiding
from unisono.views import TURN, VIEW

HIDDEN = "hidden_patches"  # field of an example of which a part is hidden: (1 + h * w,) which vectors


class ImageOptions(Augmentation):
    """What a recipe may say under ``stems: image:``."""

    patch: int = Field(16, ge=1, le=64, description="side of a square patch in pixels")
    size: tuple[int, int] | None = Field(
        None, description="height and width that every image is resized to, multiples of patch; default: see longest"
    )
    longest: int = Field(
        224, ge=1, le=4096, description="without size: longest side, in pixels; larger images shrink, in proportion"
    )
    colours: Literal["rgb", "grey"] = Field("rgb", description="what of the colours is kept")
    convolutions: int = Field(
        0,
        ge=0,
        le=6,
        description="3 x 3 convolutions before patches are cut; each halves the sides: at most log2(patch)",
    )
    channels: int = Field(64, ge=1, description="of the first convolution; each next one has twice as many")

    @model_validator(mode="after")
    def _agree(self) -> ImageOptions:
        if self.patch % 2**self.convolutions:
            raise ValueError(f"patch {self.patch} cannot be halved {self.convolutions} times (convolutions)")
        for side in self.size or (self.longest,):
            if side < self.patch or side % self.patch or side > 4096:
                raise ValueError(f"side {side} is no multiple of patch {self.patch} up to 4096")
        return self


class ImageStem(Blending, Tiling, Stem, Hiding):
    """Turns an image of h x w patches into 1 + h * w vectors. Images of several sizes may share a pack.

    An image is kept as bytes at the size at which it is cut. Without ``size`` its sides keep their proportion, up to
    rounding to whole patches, and a task's ``max_length`` bounds its patches: larger images shrink until they fit.
    """

    Options = ImageOptions
    fields = ("pixels", "grid", TURN, TILE)

    def __init__(self, width: int, options: ImageOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.width, self.options, self.fitted = width, options, fitted
        self.channels = 3 if options.colours == "rgb" else 1
        height, across = options.size or (options.longest, options.longest)
        self.most = 1 + height // options.patch * (across // options.patch)
        self.reader = Image(options.patch, options.size, options.longest, self.channels, self.most)
        channels = [self.channels, *(options.channels * 2**i for i in range(options.convolutions))]
        steps: list[nn.Module] = []
        for before, after in pairwise(channels):
            # The pool before the bend: both orders give the same, this one bends a quarter of the numbers.
            steps += [nn.Conv2d(before, after, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
        self.convolutions = nn.Sequential(*steps)
        rest = options.patch // 2**options.convolutions
        self.cut = nn.Conv2d(channels[-1], width, rest, stride=rest)
        # What a patch holds should be as loud as where it lies; PyTorch's own start is several times as quiet.
        for layer in self.convolutions:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.cut.weight, nonlinearity="linear")
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.mask: nn.Parameter | None = None

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[Tokens | str]:
        """Per row ``pixels`` (H * W * C,) uint8 and ``grid`` (4,) int32: patches down and across, and the height and
        width of the image as it came; or why there is no such image.

        Args:
            rows: each with ``image``: a file's name or its bytes, or a mapping with ``path`` or ``bytes``.
            max_length: vectors at most; an image of a fixed ``size`` does not heed it.
        """
        return self.reader.tokens(rows, most=max_length)

    def kept(self, image: np.ndarray, size: tuple[int, int], most: int | None) -> Tokens:
        return self.reader.kept(image, size, most)

    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        return self.reader.length(tokens)

    def draw(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Sequence[Mapping[str, np.ndarray]]:
        """In training, ``view`` for each image that is moved: how it is looked at this time."""
        return drawn(examples, self.options, self.options.patch) if self.training else examples

    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """``pixels``: all rows' bytes end to end; ``grid`` (B, 4) int64; ``view`` (B, 6); where patches are hidden,
        also ``hidden`` (N,) bool.
        """
        out = {
            "pixels": torch.from_numpy(np.concatenate([t["pixels"] for t in tokens])),
            "grid": torch.from_numpy(np.stack([t["grid"] for t in tokens]).astype(np.int64)),
            VIEW: views(tokens),
        }
        if any(HIDDEN in t for t in tokens):
            marks = [t[HIDDEN] if HIDDEN in t else np.zeros(self.length(t), np.uint8) for t in tokens]
            out["hidden"] = torch.from_numpy(np.concatenate(marks).astype(bool))
        return out

    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in), of each image the start vector and then its patches, row by row from the top."""
        patch, grids = self.options.patch, fields["grid"][:, :2].tolist()
        alike: dict[tuple[int, int], list[int]] = {}
        for b, (down, across) in enumerate(grids):
            alike.setdefault((down, across), []).append(b)
        parts = fields["pixels"].split([down * across * patch * patch * self.channels for down, across in grids])
        marks = fields["hidden"].split(list(layout.lengths)) if "hidden" in fields else None
        out: list[Tensor] = [self.start] * layout.count
        for (down, across), rows in alike.items():
            flat = fields["pixels"] if len(alike) == 1 else torch.cat([parts[b] for b in rows])
            images = flat.view(len(rows), down * patch, across * patch, self.channels).permute(0, 3, 1, 2)
            images = images.to(self.start.dtype) / 255
            if self.training and marks is None:
                images = augmented(images, fields[VIEW][rows], self.options)
            vectors = self.patches(images, torch.stack([marks[b][1:] for b in rows]) if marks else None)
            vectors = torch.cat([self.start.expand(len(rows), 1, -1), vectors], 1)  # (b, 1 + h * w, D_in)
            if len(alike) == 1:
                return vectors.flatten(0, 1)
            for b, one in zip(rows, vectors, strict=True):
                out[b] = one
        return torch.cat(out)

    def patches(self, images: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(b, C, H, W) between 0 and 1, of which patches (b, h * w) may be hidden -> (b, h * w, D_in)."""
        patch = self.options.patch
        down, across = images.shape[2] // patch, images.shape[3] // patch
        images = images * 2 - 1
        if hidden is not None:  # grey for the convolutions, which look beyond the edges of a patch
            hidden = hidden.view(-1, 1, down, across)
            images = images.masked_fill(hidden.repeat_interleave(patch, 2).repeat_interleave(patch, 3), 0.0)
        found = self.cut(self.convolutions(images))  # (b, D_in, h, w)
        if hidden is not None:
            assert self.mask is not None
            found = torch.where(hidden, self.mask.to(found.dtype)[:, None, None], found)
        return found.flatten(2).transpose(1, 2) + sines(found.shape[2], found.shape[3], self.width).to(found)

    def learn_mask(self) -> None:
        if self.mask is None:
            self.mask = nn.Parameter(torch.randn(self.width) * 0.02)

    def holds(self) -> dict[str, Any]:
        return {"values": self.options.patch**2 * self.channels}

    def contents(self, tokens: Mapping[str, np.ndarray]) -> Contents:
        """Pixels of each patch, less their mean, over their spread: its look without its brightness. He et al. 2022."""
        down, across = tokens["grid"][:2].tolist()
        patch = self.options.patch
        pixels = tokens["pixels"].reshape(down, patch, across, patch, self.channels).transpose(0, 2, 1, 3, 4)
        values = pixels.reshape(down * across, -1).astype(np.float32) / 255
        values = (values - values.mean(1, keepdims=True)) / np.sqrt(values.var(1, keepdims=True) + 1e-6)
        known = np.concatenate([np.zeros_like(values[:1]), values])
        free = np.arange(len(known)) > 0
        return Contents(known, free, np.zeros(len(known), bool))

    def hide(self, tokens: Mapping[str, np.ndarray], how: np.ndarray, draw: np.random.Generator) -> Tokens:
        return {**tokens, HIDDEN: (how == MASKED).astype(np.uint8)}

    def varied(self, tokens: Mapping[str, np.ndarray]) -> Tokens:
        """The image as it is looked at this time."""
        down, across = (tokens["grid"][:2] * self.options.patch).tolist()
        image = torch.from_numpy(tokens["pixels"].copy()).view(1, down, across, self.channels).permute(0, 3, 1, 2)
        found = (augmented(image / 255, views([tokens]), self.options) * 255).round().byte()
        pixels = found.permute(0, 2, 3, 1).reshape(-1).numpy()
        return {**{name: value for name, value in tokens.items() if name != VIEW}, "pixels": pixels}

    def config(self) -> dict[str, Any]:
        return {"options": self.options.model_dump(mode="json"), "fitted": self.fitted}


def sines(down: int, across: int, width: int) -> Tensor:
    """(down * across, width) float32: a quarter each of sin and cos of the place across, sin and cos of that down.

    Beyer et al. 2022; where 4 does not divide ``width``, the rest is 0.
    """
    bands = width // 4
    rates = 10000 ** -(torch.arange(bands) / max(bands - 1, 1))
    y, x = torch.meshgrid(torch.arange(down), torch.arange(across), indexing="ij")
    angles = [place.reshape(-1, 1) * rates for place in (x, y)]
    waves = torch.cat([wave for a in angles for wave in (a.sin(), a.cos())], 1)
    return torch.nn.functional.pad(waves, (0, width - 4 * bands))
