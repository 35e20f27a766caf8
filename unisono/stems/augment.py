"""augment: images changed at random in training, as tensors. Draws come from torch's generator."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from unisono.stems import base


class Augmentation(base.Options):
    """What a recipe may say about chance under ``stems: image:``."""

    flip: bool = Field(False, description="in training, mirror half of the images left to right")
    crop: float = Field(0.0, ge=0, lt=1, description="in training, move images by up to this share of their sides")
    colour: float = Field(
        0.0, ge=0, lt=1, description="in training, change brightness, contrast and saturation by up to this share"
    )


def augmented(images: Tensor, moves: Tensor, options: Augmentation) -> Tensor:
    """(B, C, H, W) between 0 and 1 -> the same, changed at random; only those of ``moves`` (B,) in place."""
    if options.flip:
        images = flipped(images, moves)
    if options.crop:
        images = shifted(images, moves, options.crop)
    if options.colour:
        images = coloured(images, options.colour)
    return images


def flipped(images: Tensor, moves: Tensor) -> Tensor:
    """(B, C, H, W): each image of ``moves`` (B,) is mirrored left to right with probability one half."""
    turn = (torch.rand(len(images), device=images.device) < 0.5) & moves
    return torch.where(turn[:, None, None, None], images.flip(-1), images)


def shifted(images: Tensor, moves: Tensor, most: float) -> Tensor:
    """(B, C, H, W): each image of ``moves`` (B,) is moved by up to ``most`` of each side; its mirror image follows.

    The crop of a padded image, as in He et al. 2016, section 4.2, with a mirrored edge in place of a black one.
    """
    count, _, height, width = images.shape
    rows = _places(count, height, moves, most)  # (B, H)
    columns = _places(count, width, moves, most)  # (B, W)
    at = torch.arange(count, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def coloured(images: Tensor, most: float) -> Tensor:
    """(B, C, H, W) between 0 and 1: brightness, contrast and saturation changed by factors of 1 ± ``most``."""
    draw = 1 + most * (2 * torch.rand(3, len(images), 1, 1, 1, device=images.device, dtype=images.dtype) - 1)
    images = images * draw[0]
    middle = images.mean((1, 2, 3), keepdim=True)
    images = middle + (images - middle) * draw[1]
    grey = images.mean(1, keepdim=True)
    return (grey + (images - grey) * draw[2]).clamp(0, 1)


def _places(count: int, side: int, moves: Tensor, most: float) -> Tensor:
    """(B, side) int64: from where each row or column is taken."""
    reach = min(int(side * most), side - 1)
    offset = torch.randint(-reach, reach + 1, (count, 1), device=moves.device) * moves[:, None]
    at = (torch.arange(side, device=moves.device) + offset).abs()
    return torch.where(at >= side, 2 * (side - 1) - at, at)
