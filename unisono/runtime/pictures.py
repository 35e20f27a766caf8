"""pictures: image files as arrays. Formats are an allow-list; bytes and pixels are bounded before any is decoded."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # of several frames, the first
MOST_BYTES = 64 << 20  # of a file
MOST_PIXELS = 50_000_000  # 150 MB as RGB

_EXTRA = f"{__name__.split('.')[0].replace('_', '-')}[image]"  # of the distribution that this file came with
_ORIENTATION = 0x0112  # the EXIF tag
_SIDEWAYS = (5, 6, 7, 8)  # rows were stored as columns
_MIRRORED = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}  # then: down, across


class BadPicture(ValueError):
    """An image that cannot be used; the message is the reason, the same words for the same fault."""


def pixels(value: Any, *, channels: int = 3, most: tuple[int, int] | None = None) -> tuple[np.ndarray, tuple[int, int]]:
    """(H, W, C) uint8 of an image, upright, rows from the top, and its full size (height, width).

    Args:
        value: a file's name or its bytes, or a mapping with ``path`` or ``bytes``.
        channels: 3 for RGB, 1 for grey. What is transparent lies on white; of 16 bits the upper 8 are kept.
        most: the size (height, width) that will be asked for: a JPEG is decoded no larger than needed for it.

    Raises:
        BadPicture: a file that is absent, no image of an allowed format, damaged, or too large.
    """
    mode = "RGB" if channels == 3 else "L"
    with opened(value, FORMATS) as image:
        full = (image.height, image.width)
        if most is not None and image.format == "JPEG":
            height, width = most[::-1] if orientation_of(image) in _SIDEWAYS else most
            image.draft(mode, (width, height))
        image.load()
        turned = orientation_of(image)  # after loading: Pillow turns a TIFF upright itself, and then says so
        if turned in _SIDEWAYS:
            full = full[::-1]
        if image.mode == "F":
            raise BadPicture("an image of floating-point pixels, whose range nothing tells")
        if image.mode.startswith("I"):
            wide = np.asarray(image)
            if wide.size and (wide.min() < 0 or wide.max() > 65535):
                raise BadPicture("an image of 32-bit pixels; 8 or 16 bits are read")
            grey = (wide >> 8).astype(np.uint8)
            return upright(np.repeat(grey[:, :, None], channels, axis=2), turned), full
        if image.has_transparency_data:
            from PIL import Image

            clear = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
        out = np.asarray(image.convert(mode))
    return upright(out.reshape(*out.shape[:2], channels), turned), full


def resized(image: np.ndarray, height: int, width: int, *, resample: int = 2) -> np.ndarray:
    """(H, W, C) uint8 -> (height, width, C), bilinear over the area that a pixel covers.

    Args:
        resample: Pillow's number of another way: 0 nearest, 1 Lanczos, 3 bicubic, 4 box, 5 Hamming.
    """
    if image.shape[:2] == (height, width):
        return image
    from PIL import Image

    plain = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    out = np.asarray(plain.resize((width, height), Image.Resampling(resample)))
    return out.reshape(height, width, image.shape[2])


def middle(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, C) -> (height, width, C): its middle, with black around it where it is smaller."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    inside = image[max(top, 0) : max(top, 0) + height, max(left, 0) : max(left, 0) + width]
    out = np.zeros((height, width, image.shape[2]), image.dtype)
    out[max(-top, 0) :, max(-left, 0) :][: inside.shape[0], : inside.shape[1]] = inside
    return out


def orientation_of(image: Any) -> int:
    """How the stored pixels lie, 1 (upright) to 8, as a camera noted it: EXIF 2.3, section 4.6.4 A."""
    try:
        said = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged notes beside sound pixels; Pillow's parser raises what it stumbles over
        return 1
    return said if isinstance(said, int) and 1 <= said <= 8 else 1


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, ...) or (W, H, ...) as stored -> (H, W, ...) as it is to be seen."""
    if orientation == 1:
        return stored
    if orientation in _SIDEWAYS:
        stored = stored.swapaxes(0, 1)
    down, across = _MIRRORED[orientation]
    return np.ascontiguousarray(stored[::down, ::across])


@contextmanager
def opened(value: Any, formats: tuple[str, ...]) -> Iterator[Any]:
    """The image, its size known to be bounded, its pixels not yet decoded."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise BadPicture(f"images need Pillow: pip install '{_EXTRA}'") from None
    content = content_of(value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bound is looser than ours
            image = Image.open(io.BytesIO(content), formats=formats)
        if image.width * image.height > MOST_PIXELS:
            raise BadPicture(f"an image of more than {MOST_PIXELS:,} pixels")
        with image:
            yield image
    except BadPicture:
        raise
    except UnidentifiedImageError:
        known = " ".join(formats)
        raise BadPicture(f"not an image of a known format ({known}), or damaged at its beginning") from None
    except Exception as error:  # the decoders raise whatever their format's parser stumbles over
        raise BadPicture(f"a damaged image ({type(error).__name__})") from None


def content_of(value: Any) -> bytes:
    """The bytes of a file, or those given."""
    path = value
    if isinstance(value, Mapping):
        path = value.get("path")
        value = value.get("bytes")
    if isinstance(value, bytes):
        if len(value) > MOST_BYTES:
            raise BadPicture(f"an image of more than {MOST_BYTES >> 20} MB")
        return value
    if not isinstance(path, (str, os.PathLike)):
        raise BadPicture(f"an image is a file's name or bytes, not a {type(path).__name__}")
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # before it is opened: a pipe would wait for its other end
            raise BadPicture("not a file")
        if found.st_size > MOST_BYTES:
            raise BadPicture(f"an image of more than {MOST_BYTES >> 20} MB")
        with open(path, "rb") as file:
            return file.read(MOST_BYTES)
    except FileNotFoundError:
        raise BadPicture("there is no such image file") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        if isinstance(error, BadPicture):
            raise
        raise BadPicture(f"the image file cannot be read ({getattr(error, 'strerror', None) or error})") from None
