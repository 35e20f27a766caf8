"""mapped: heads that make a map of an image from its patches: segment and dense."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unisono.deploy.graph import Graph
from unisono.deploy.heads.base import Exported, example
from unisono.deploy.heads.patched import patches, spread
from unisono.heads import Targets
from unisono.heads.dense import Dense
from unisono.heads.pixels import Pixels
from unisono.heads.segment import Segment
from unisono.packed import Packed


class _Mapped(nn.Module):
    """``states`` and ``index`` -> ``maps`` (B, V, h, w), h and w those of the largest image, 0 beyond the others.

    A convolution sees zeros beyond the edge of an image that lies alone: here they are put there before each that looks
    around. (What doubles the sides does not.)
    """

    def __init__(self, head: Pixels) -> None:
        super().__init__()
        self.decoder, self.last, self.scale = head.decoder, head.last, 2**head.options.doublings

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        states, real = spread(fields["states"], fields["index"])
        count, height, width = real.shape
        each = real[:, :, None, :, None].expand(-1, -1, self.scale, -1, self.scale)
        seen = each.reshape(count, 1, height * self.scale, width * self.scale).to(states.dtype)
        return {"maps": self.last(self.decoder(states.permute(0, 3, 1, 2)) * seen) * seen}


def segmented(head: Segment, name: str) -> Exported:
    """``maps`` (B, V, h, w) of logits.

    ``decode``: ``doublings`` of the sides of the map of patches; the ``numbers`` that stand for the V classes in masks,
    their ``names``, and numbers that are ``void``; ``tile``: null, or the side of the tiles in which an image is looked
    at and how many pixels neighbours share.
    """
    told = {
        "numbers": head.numbers.tolist(),
        "names": {str(n): name for n, name in head.names.items()},
        "void": list(head.options.void),
        "tile": [head.options.tile, head.options.overlap] if head.options.tile else None,
    }
    return _exported(head, name, told)


def measured(head: Dense, name: str) -> Exported:
    """``maps`` (B, 1, h, w) of values less their ``mean``, in units of their ``spread``; ``void``: values for none."""
    decode = {"mean": head.fitted["mean"], "spread": head.fitted["spread"], "void": list(head.options.void)}
    return _exported(head, name, decode)


def _exported(head: Pixels, name: str, decode: dict[str, Any]) -> Exported:
    inputs, dims = example(_width(head), "patches")
    graph = Graph(name, _Mapped(head), inputs, dims, {"maps": ("B", None, None, None)})

    def expected(states: Packed, targets: Targets) -> dict[str, Tensor]:
        scale = 2**head.options.doublings
        height, width = (targets["grid"][:, :2].amax(0) * scale).tolist()
        out = torch.zeros(states.layout.count, head.last.out_channels, height, width)
        for rows, maps in head.maps(states, targets):
            out[rows, :, : maps.shape[2], : maps.shape[3]] = maps
        return {"maps": out}

    return Exported(graph, "patches", {"doublings": head.options.doublings, **decode}, expected, index=patches)


def _width(head: Pixels) -> int:
    """D, from the first convolution."""
    return next(m.in_channels for m in head.decoder if isinstance(m, nn.Conv2d))
