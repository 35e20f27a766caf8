"""tiling: what a reader of images offers to tasks that look at a large image in tiles."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..pictures import BadPicture, pixels
from ..tiles import MOST, TILE, tiles
from .base import Tokens


class Tiling:
    """What keeps a part of an image as it would keep an image."""

    channels: int

    @abstractmethod
    def kept(self, image: np.ndarray, size: tuple[int, int], most: int | None) -> Tokens:
        """The fields of an image.

        Args:
            image: (H, W, C) uint8. ``size``: its height and width as it came.
            most: vectors at most; None: the stem's own limit.

        Raises:
            BadPicture: it has no form that can be used.
        """

    def tiles(
        self, rows: Sequence[Mapping[str, Any]], *, side: int, overlap: int, max_length: int | None = None
    ) -> list[list[Tokens] | str]:
        """What ``tokens`` gives for each tile of each row's image, with ``tile`` (4,) int32: its top and left in the
        image, the image's height and width; or why there is no such image.
        """
        return [self._tiles(row["image"], side, overlap, max_length) for row in rows]

    def _tiles(self, value: Any, side: int, overlap: int, most: int | None) -> list[Tokens] | str:
        try:
            image, (height, width) = pixels(value, channels=self.channels)
            places = tiles(height, width, side, overlap)
            if len(places) > MOST:
                return f"an image of more than {MOST:,} tiles; larger ones are asked for by head.tile"
            return [
                {
                    **self.kept(image[top:bottom, left:right], (bottom - top, right - left), most),
                    TILE: np.array([top, left, height, width], np.int32),
                }
                for top, left, bottom, right in places
            ]
        except BadPicture as reason:
            return str(reason)
