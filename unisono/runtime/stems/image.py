"""image: image files at the size at which they are cut into patches; those of one size go through the graph at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..fields import Fields
from ..pictures import BadPicture, pixels, resized
from .base import Arrays, Stem, Tokens
from .tiling import Tiling

LONGEST = 4096  # pixels of a side at most
AT_ONCE = 1 << 20  # pixels of one call: convolutions hold many numbers for each of them


@dataclass(frozen=True)
class Image(Tiling, Stem):
    """Images of h x w patches, 1 + h * w vectors each.

    Args:
        patch: side of a patch in pixels.
        size: height and width that every image is resized to; None: its own, in proportion, no side over ``longest``.
        channels: 3 for RGB, 1 for grey.
    """

    patch: int
    size: tuple[int, int] | None
    longest: int
    channels: int
    most: int
    kind: ClassVar[str] = "image"
    reads: ClassVar[tuple[str, ...]] = ("pixels", "grid")

    @classmethod
    def of(cls, said: Fields, most: int) -> Image:
        patch, longest = said.whole("patch", 1, LONGEST), said.whole("longest", 1, LONGEST)
        size = said.wholes("size", 2, patch, LONGEST) if said.has("size") else None
        if longest < patch or any(side % patch for side in (longest, *(size or ()))):
            raise said.wrong("size" if size else "longest", f"multiples of the patch, {patch}")
        return cls(patch, (size[0], size[1]) if size else None, longest, said.colours("channels"), most)

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> list[Tokens | str]:
        """Per row ``pixels`` (H * W * C,) uint8 and ``grid`` (4,) int32: patches down and across, and the height and
        width of the image as it came; or why there is no such image.

        Args:
            rows: each with ``image``: a file's name or its bytes, or a mapping with ``path`` or ``bytes``.
            most: an image of a fixed ``size`` does not heed it.
        """
        return [self._tokens(row["image"], most) for row in rows]

    def _tokens(self, value: Any, most: int | None) -> Tokens | str:
        try:
            bound = self.size or (self.longest, self.longest)
            return self.kept(*pixels(value, channels=self.channels, most=bound), most)
        except BadPicture as reason:
            return str(reason)

    def kept(self, image: np.ndarray, size: tuple[int, int], most: int | None) -> Tokens:
        """``pixels`` and ``grid`` of an image (H, W, C) whose height and width, as it came, are ``size``."""
        height, width = size
        if self.size:
            down, across = (side // self.patch for side in self.size)
        else:
            down, across = fit(height, width, self.patch, self.longest // self.patch, (most or self.most) - 1)
        cut = resized(image, down * self.patch, across * self.patch)
        return {"pixels": cut.reshape(-1), "grid": np.array([down, across, height, width], np.int32)}

    def length(self, tokens: Arrays) -> int:
        return 1 + int(tokens["grid"][0]) * int(tokens["grid"][1])

    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        """``pixels`` (b, H, W, C) uint8."""
        alike: dict[tuple[int, ...], list[int]] = {}
        for number, example in enumerate(examples):
            alike.setdefault(tuple(example["grid"][:2].tolist()), []).append(number)
        for (down, across), numbers in alike.items():
            shape = (down * self.patch, across * self.patch, self.channels)
            few = max(1, AT_ONCE // (shape[0] * shape[1]))
            for some in (numbers[at : at + few] for at in range(0, len(numbers), few)):
                yield some, {"pixels": np.stack([examples[n]["pixels"].reshape(shape) for n in some])}


def fit(height: int, width: int, patch: int, longest: int, most: int) -> tuple[int, int]:
    """Patches down and across for an image: in its proportion, no side above ``longest``, ``most`` together at most."""
    down, across = height / patch, width / patch
    shrink = min(1.0, longest / max(down, across), math.sqrt(most / (down * across)))
    down, across = (max(1, min(longest, round(side * shrink))) for side in (down, across))
    while down * across > max(1, most):  # rounding up may have passed the bound
        down, across = (down - 1, across) if down >= across else (down, across - 1)
    return down, across
