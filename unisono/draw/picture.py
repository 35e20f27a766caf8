"""An image with what a model says of it: boxes, a mask, a legend, and lines of words below."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from unisono.draw.boxes import draw_boxes
from unisono.draw.masks import laid_over, mask_of
from unisono.draw.palette import PAGE, Colour, colour
from unisono.draw.words import Entry, Font, legend
from unisono.pictures import pixels

LEAST = 0.3  # boxes of a lower score are not drawn
_LONGEST = 320  # images whose longest side is shorter are drawn larger, or no word could be read
_NARROWEST = 240  # of a legend


def drawn(
    image: Any,
    prediction: Mapping[str, Any],
    *,
    classes: Sequence[str] = (),
    lines: Sequence[str] = (),
    least: float = LEAST,
) -> Any:
    """A Pillow image. A class has the same colour in every picture for which ``classes`` is the same.

    Args:
        image: a file's name or its bytes, or a mapping with ``path`` or ``bytes``.
        prediction: of ``detect`` or ``segment``; of any other kind there is nothing to draw, but the lines.
        classes: the names of all classes, in their order; default: those of the prediction.
        lines: words to write below.
        least: boxes of a lower score are left out.

    Raises:
        BadPicture: the image cannot be read.
    """
    from PIL import Image, ImageDraw

    ground, (height, width) = pixels(image)
    entries: list[Entry] = []
    if "runs" in prediction:
        colours = _by_number(prediction, classes)
        ground = laid_over(ground, mask_of(prediction), colours)
        entries += _shares(prediction, colours)
    larger = max(1, ceil(_LONGEST / max(height, width)))
    ground = np.repeat(np.repeat(ground, larger, 0), larger, 1)
    out = Image.fromarray(ground)
    font = Font(max(12, round(max(out.size) / 45)))
    if "boxes" in prediction:
        boxes = [{**b, "box": [side * larger for side in b["box"]]} for b in prediction["boxes"] if b["score"] >= least]
        names = list(classes) or sorted({b["label"] for b in prediction["boxes"]})
        by_name = {name: colour(at) for at, name in enumerate(names)}
        draw_boxes(ImageDraw.Draw(out), out.size, boxes, by_name, font)
        counts = Counter(b["label"] for b in boxes)
        entries += [(by_name[name], f"{name} {counts[name]}") for name in names if counts[name]]
        entries += [] if boxes else [(None, f"no box of a score of {least:g} or more")]
    entries += [(None, line) for line in lines]
    return _above(out, entries, font) if entries else out


def png(picture: Any) -> bytes:
    """A Pillow image as the content of a PNG file."""
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _above(image: Any, entries: Sequence[Entry], font: Font) -> Any:
    from PIL import Image

    width = max(image.width, _NARROWEST)
    below = legend(entries, width, font)
    out = Image.new("RGB", (width, image.height + below.height), PAGE)
    out.paste(image, ((width - image.width) // 2, 0))
    out.paste(below, (0, image.height))
    return out


def _by_number(prediction: Mapping[str, Any], classes: Sequence[str]) -> dict[int, Colour]:
    """Class number -> its colour, of all that the model knows."""
    names = {int(number): name for number, name in prediction["names"].items()}
    order = list(classes) or [names[number] for number in sorted(names)]
    return {number: colour(order.index(name)) for number, name in names.items()}


def _shares(prediction: Mapping[str, Any], colours: Mapping[int, Colour]) -> list[Entry]:
    """A legend of the classes that there are, the largest first."""
    numbers = {name: int(number) for number, name in prediction["names"].items()}
    found = sorted(((share, name) for name, share in prediction["shares"].items() if share), reverse=True)
    return [(colours[numbers[name]], f"{name} {percent(share)}") for share, name in found]


def percent(share: float) -> str:
    """A share as a person says it."""
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"
