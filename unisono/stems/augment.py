"""augment: images changed at random in training, as tensors. Draws come from torch's generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unisono.stems import base
from unisono.views import PLAIN, TURN, VIEW, view


class Augmentation(base.Options):
    """What a recipe may say about chance under ``stems: image:``."""

    flip: bool = Field(False, description="in training, mirror half of the images left to right")
    crop: float = Field(0.0, ge=0, lt=1, description="in training, move images by up to this share of their sides")
    zoom: float = Field(
        0.0, ge=0, le=1, description="in training, enlarge or shrink images by up to this share, around their middle"
    )
    colour: float = Field(
        0.0, ge=0, lt=1, description="in training, change brightness, contrast and saturation by up to this share"
    )


class Blending:
    """What a stem of images offers to mixup: images of one size can be mixed, pixel by pixel."""

    blends = True

    def alike(self, tokens: Mapping[str, np.ndarray]) -> tuple[int, ...]:
        return tuple(tokens["grid"][:2].tolist())

    def blend(self, one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], share: float) -> base.Tokens:
        mixed = share * one["pixels"].astype(np.float32) + (1 - share) * other["pixels"].astype(np.float32)
        return {"pixels": mixed.round().astype(np.uint8)}


def drawn(
    examples: Sequence[Mapping[str, np.ndarray]], options: Augmentation, patch: int
) -> Sequence[Mapping[str, np.ndarray]]:
    """Examples, where they have an image, with a ``view`` of it, which its label can follow."""
    asked = bool(options.flip or options.crop or options.zoom)
    return [
        {**e, VIEW: draw(e["grid"][:2] * patch, options, turn=TURN in e)} if "grid" in e and (asked or TURN in e) else e
        for e in examples
    ]


def draw(size: np.ndarray, options: Augmentation, *, turn: bool = False) -> np.ndarray:
    """(6,) a view of an image (see ``unisono.views``) as the options ask for it.

    The crop of a padded image as in He et al. 2016, section 4.2, with a mirrored edge in place of a black one.

    Args:
        size: height and width in pixels.
        turn: by any number of quarters; of what is not square, by none or two.
    """
    height, width = (int(n) for n in size)
    chance = torch.rand(5).tolist()
    quarters = int(4 * chance[1]) if height == width else 2 * int(2 * chance[1])
    return view(
        (height, width),
        mirror=options.flip and chance[0] < 0.5,
        quarters=quarters if turn else 0,
        scale=(1 + options.zoom) ** (2 * chance[2] - 1),
        right=options.crop * (2 * chance[3] - 1),
        down=options.crop * (2 * chance[4] - 1),
    )


def views(tokens: Sequence[Mapping[str, np.ndarray]]) -> Tensor:
    """(B, 6) how each image is looked at."""
    return torch.from_numpy(np.stack([t.get(VIEW, PLAIN) for t in tokens]))


def augmented(images: Tensor, views: Tensor, options: Augmentation) -> Tensor:
    """(B, C, H, W) between 0 and 1 -> the same as these views (B, 6) show them, in colours changed at random."""
    images = viewed(images, views)
    return coloured(images, options.colour) if options.colour else images


def viewed(images: Tensor, views: Tensor) -> Tensor:
    """(B, C, H, W), (B, 6) -> the images as these views show them; what is plain stays as it is."""
    moved = (views != views.new_tensor(PLAIN.tolist())).any(1)
    if not moved.any():
        return images
    places = F.affine_grid(views[moved].to(images).view(-1, 2, 3), list(images[moved].shape), align_corners=False)
    out = images.clone()
    out[moved] = F.grid_sample(images[moved], places, "bilinear", "reflection", align_corners=False)
    return out


def coloured(images: Tensor, most: float) -> Tensor:
    """(B, C, H, W) between 0 and 1: brightness, contrast and saturation changed by factors of 1 ± ``most``."""
    draw = 1 + most * (2 * torch.rand(3, len(images), 1, 1, 1, device=images.device, dtype=images.dtype) - 1)
    images = images * draw[0]
    middle = images.mean((1, 2, 3), keepdim=True)
    images = middle + (images - middle) * draw[1]
    grey = images.mean(1, keepdim=True)
    return (grey + (images - grey) * draw[2]).clamp(0, 1)
