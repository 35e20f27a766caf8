"""pictures: image files as arrays: those that are seen, by the runtime's own code, and those of one number a pixel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from unisono.runtime.pictures import (
    FORMATS,
    MOST_BYTES,
    MOST_PIXELS,
    BadPicture,
    content_of,
    middle,
    opened,
    orientation_of,
    pixels,
    resized,
    upright,
)  # fmt: skip

__all__ = [
    "FORMATS", "MASKS", "MOST_BYTES", "MOST_PIXELS", "SUFFIXES", "BadPicture", "middle", "nearest", "numbers", "pixels",
    "resized", "values",
]  # fmt: skip

MASKS = ("PNG", "BMP", "GIF", "TIFF", "PPM")  # formats that keep numbers as they are
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm")


def numbers(value: Any) -> np.ndarray:
    """(H, W) int32: the class number of each pixel of a mask, upright: its grey value, or its place in the palette.

    Raises:
        BadPicture: as ``pixels``, or a colour image, or a format that blurs numbers.
    """
    with opened(value, MASKS) as image:
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise BadPicture(f"a mask has one number a pixel; this image has the colours {image.mode}")
        image.load()
        return upright(np.asarray(image).astype(np.int32), orientation_of(image))


def values(value: Any) -> np.ndarray:
    """(H, W) float32: the number at each pixel of an image of one channel, upright, or of an array (NPY). Not all need
    be finite.

    Raises:
        BadPicture: as ``pixels``, or a colour image, or an array of another shape or kind.
    """
    content = content_of(value)
    if content.startswith(b"\x93NUMPY"):
        return _array(content)
    with opened(content, MASKS) as image:
        if image.mode not in ("1", "L", "F") and not image.mode.startswith("I"):
            raise BadPicture(f"a map has one number a pixel; this image has the colours {image.mode}")
        image.load()
        return upright(np.asarray(image).astype(np.float32), orientation_of(image))


def _array(content: bytes) -> np.ndarray:
    try:
        found = np.load(io.BytesIO(content), allow_pickle=False, max_header_size=10_000)
    except Exception as error:  # a header that promises more than there is, or objects
        raise BadPicture(f"a damaged array ({type(error).__name__})") from None
    found = found[..., 0] if found.ndim == 3 and found.shape[2] == 1 else found
    if found.ndim != 2 or not found.size or found.dtype.kind not in "biuf":
        raise BadPicture(
            f"an array of the shape {list(found.shape)} of {found.dtype}; (height, width) of numbers is read"
        )
    with np.errstate(over="ignore"):  # what is too large for a float32 is not finite, and so no value
        return np.asarray(found, np.float32)


def nearest(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) -> (height, width): for each pixel the number that stands at its middle."""
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
    return mask[rows[:, None], columns[None]]
