"""Boxes on an image, each with its label on a ground of the class's colour, where it hides the least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unisono.draw.palette import Colour, ink_on
from unisono.draw.words import Font

Box = tuple[float, float, float, float]  # left, top, right, bottom


def draw_boxes(
    pen: Any, size: tuple[int, int], boxes: Sequence[Mapping[str, Any]], colours: Mapping[str, Colour], font: Font
) -> None:
    """Draws them, those of low score first.

    Args:
        pen: a Pillow ``ImageDraw`` of the image.
        size: width and height of what may be drawn on.
        boxes: each ``{"label", "score", "box": [left, top, right, bottom]}``, in pixels of what is drawn on.
        colours: label -> colour.
    """
    line = max(2, round(max(size) / 250))
    frames = [_within(b["box"], size) for b in boxes]
    order = sorted(range(len(boxes)), key=lambda i: boxes[i].get("score", 1))
    for i in order:
        left, top, right, bottom = frames[i]
        colour = colours[boxes[i]["label"]]
        pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=ink_on(colour))  # seen on a like ground, too
        pen.rectangle((left, top, right, bottom), outline=colour, width=line)
    taken: list[Box] = []
    for i in reversed(order):
        colour, label = colours[boxes[i]["label"]], str(boxes[i]["label"])
        text = f"{label} {boxes[i]['score']:.2f}" if "score" in boxes[i] else label
        width, height = font.length(text) + 6, font.height + 2
        x, y = place(frames[i], (width, height), size, taken)
        taken.append((x, y, x + width, y + height))
        pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
        font.write(pen, (x + 3, y + 1), text, ink_on(colour))


def place(box: Box, label: tuple[int, int], size: tuple[int, int], taken: Sequence[Box]) -> tuple[int, int]:
    """Left and top of a box's label: above the box if it can be, else where it covers the least of other labels.

    Args:
        label, size: width and height of the label, and of what may be drawn on.
        taken: where other labels are.
    """
    left, top, right, bottom = box
    width, height = label
    rows = (top - height, top, bottom - height, bottom)
    best, least = (0, 0), float("inf")
    for row in rows:
        for column in (left, right - width):
            x = round(max(0, min(column, size[0] - width)))
            y = round(max(0, min(row, size[1] - height)))
            frame = (x, y, x + width, y + height)
            covered = sum(_common(frame, other) for other in taken)
            if covered < least:
                best, least = (x, y), covered
    return best


def _within(box: Sequence[float], size: tuple[int, int]) -> Box:
    left, top, right, bottom = (round(side) for side in box)
    left, top = max(0, min(left, size[0] - 1)), max(0, min(top, size[1] - 1))
    right, bottom = max(left, min(right, size[0]) - 1), max(top, min(bottom, size[1]) - 1)
    return left, top, right, bottom


def _common(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)
