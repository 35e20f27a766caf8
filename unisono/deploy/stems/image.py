"""image: images of one size at a time, patches in reading order behind the start vector."""

from __future__ import annotations

import torch
from torch import Tensor

from unisono.deploy.graph import Dims
from unisono.deploy.stems.base import ExportedStem, Marked, as_graph
from unisono.stems import ImageEncoder, ImageStem


class _Patches(Marked):
    """``pixels`` (b, H, W, C) uint8 -> ``values`` (b * (1 + h * w), D_in)."""

    def __init__(self, stem: ImageStem, mark: Tensor | None) -> None:
        super().__init__(mark)
        self.stem = stem

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        images = fields["pixels"].permute(0, 3, 1, 2).to(self.stem.start.dtype) / 255
        found = self.stem.patches(images)  # (b, h * w, D_in)
        start = self.stem.start.expand(found.shape[0], 1, -1)
        return torch.cat([start, found], 1).flatten(0, 1)


def image(stem: ImageStem, mark: Tensor | None, name: str) -> ExportedStem:
    """The graph of images of any size, or of the one size that all of them have."""
    patch, size = stem.options.patch, stem.options.size
    height, width = size or (3 * patch, 2 * patch)
    pixels = torch.zeros(2, height, width, stem.channels, dtype=torch.uint8)
    dims: Dims = ("B", None, None, None) if size else ("B", "H", "W", None)
    return ExportedStem(as_graph(name, _Patches(stem, mark), {"pixels": pixels}, {"pixels": dims}), stem.reader)


class _Seen(Marked):
    """The same of images of one size, by a pretrained encoder."""

    def __init__(self, stem: ImageEncoder, mark: Tensor | None) -> None:
        super().__init__(mark)
        self.stem = stem

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        encoder = self.stem.encoder
        return encoder(self.stem.seen(fields["pixels"].permute(0, 3, 1, 2).to(encoder.project.weight.dtype))).flatten(
            0, 1
        )


def whole_image(stem: ImageEncoder, mark: Tensor | None, name: str) -> ExportedStem:
    """The graph of an encoder from the hub."""
    pixels = torch.zeros(2, *stem.size, stem.channels, dtype=torch.uint8)
    dims: Dims = ("B", None, None, None)
    return ExportedStem(as_graph(name, _Seen(stem, mark), {"pixels": pixels}, {"pixels": dims}), stem.reader)
