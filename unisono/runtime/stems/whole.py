"""whole: images made ready for a pretrained encoder, which sees all of them at one size, scaled and cut as it wants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..fields import Fields
from ..pictures import BadPicture, middle, pixels, resized
from .base import Arrays, Stem, Tokens
from .image import AT_ONCE, LONGEST
from .tiling import Tiling

CUT = "cut"  # field of an image of which only the middle is seen: places in the file are not those in the vectors
_HAIR = 16  # how much longer than the encoder's image one may become


@dataclass(frozen=True)
class WholeImage(Tiling, Stem):
    """1 + h * w vectors of each image: the state of the encoder's class token, then of patches.

    Args:
        patch: side of a patch in pixels. ``size``: height and width that the encoder sees.
        channels: 3 for RGB, 1 for grey.
        resize: height and width, or the shorter side, that an image is resized to; None: as it came.
        crop: then its middle is cut out. ``resample``: Pillow's number of the way.
    """

    patch: int
    size: tuple[int, int]
    channels: int
    resize: tuple[int, int] | int | None
    crop: bool
    resample: int
    most: int
    kind: ClassVar[str] = "whole image"
    reads: ClassVar[tuple[str, ...]] = ("pixels", "grid")

    @classmethod
    def of(cls, said: Fields, most: int) -> WholeImage:
        patch = said.whole("patch", 1, LONGEST)
        height, width = said.wholes("size", 2, patch, LONGEST)
        resize: Any = said.values.get("resize")
        if resize is not None:
            one = isinstance(resize, int)
            resize = said.whole("resize", 1, LONGEST) if one else said.wholes("resize", 2, 1, LONGEST)
        return cls(
            patch, (height, width), said.colours("channels"), resize, said.flag("crop"),
            said.whole("resample", 0, 5), most,
        )  # fmt: skip

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> list[Tokens | str]:
        """Per row ``pixels`` (H * W * C,) uint8 and ``grid`` (4,) int32: patches down and across, and the height and
        width of the image as it came; with ``cut`` (1,) where only its middle is seen; or why there is no such image.
        """
        return [self._tokens(row["image"]) for row in rows]

    def _tokens(self, value: Any) -> Tokens | str:
        try:
            return self.kept(*pixels(value, channels=self.channels))
        except BadPicture as reason:
            return str(reason)

    def kept(self, image: np.ndarray, size: tuple[int, int], most: int | None = None) -> Tokens:
        """All images have one size, whatever is asked for."""
        wanted = self.resize
        if isinstance(wanted, int):
            wanted = shorter(image.shape[0], image.shape[1], wanted)
        if wanted:
            if max(wanted) > _HAIR * max(self.size):  # it would become huge, for a middle that shows none of it
                raise BadPicture("an image more than sixteen times as long as wide")
            image = resized(image, *wanted, resample=self.resample)
        down, across = (side // self.patch for side in self.size)
        out = {"grid": np.array([down, across, *size], np.int32)}
        if self.crop and image.shape[:2] != self.size:
            image = middle(image, *self.size)
            out[CUT] = np.ones(1, np.int32)
        return {"pixels": np.ascontiguousarray(image).reshape(-1), **out}

    def length(self, tokens: Arrays) -> int:
        return self.most

    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        """``pixels`` (b, H, W, C) uint8."""
        shape = (*self.size, self.channels)
        few = max(1, AT_ONCE // (shape[0] * shape[1]))
        for at in range(0, len(examples), few):
            some = list(range(at, min(at + few, len(examples))))
            yield some, {"pixels": np.stack([examples[n]["pixels"].reshape(shape) for n in some])}


def shorter(height: int, width: int, side: int) -> tuple[int, int]:
    """The size with that shorter side, in proportion, rounded down as image processors do."""
    return (math.floor(side * height / width), side) if width <= height else (side, math.floor(side * width / height))
