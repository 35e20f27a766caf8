"""Words on a picture: Pillow's own font at a size, and lines of legend that wrap at a width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unisono.draw.palette import INK, PAGE, Colour

Entry = tuple["Colour | None", str]  # the colour that the words explain, if one; the words


class Font:
    """Pillow's font, Aileron, which comes with it: Latin letters; other scripts show as frames.

    Args:
        size: of the letters, in pixels.
    """

    def __init__(self, size: int) -> None:
        from PIL import ImageFont

        self.size = size
        self._font: Any = ImageFont.load_default(size=size)
        self.height = round(size * 1.2)

    def length(self, text: str) -> int:
        """Its width in pixels."""
        return round(self._font.getlength(text))

    def write(self, pen: Any, at: tuple[int, int], text: str, colour: Colour) -> None:
        pen.text((at[0], at[1] + self.height // 2), text, fill=colour, font=self._font, anchor="lm")


def legend(entries: Sequence[Entry], width: int, font: Font) -> Any:
    """A Pillow image, ``width`` across: the entries one after the other, each in one piece where a line can hold it."""
    from PIL import Image, ImageDraw

    gap, patch, step = font.size, font.size, round(font.size * 1.6)
    rows: list[list[tuple[int, Entry]]] = [[]]
    x = gap // 2
    for colour, text in entries:
        mark = patch + gap // 2 if colour else 0
        for n, piece in enumerate(_cut(text, width - gap - mark, font)):
            needed = mark + font.length(piece)
            new = colour is None or n > 0  # words without a patch have a line of their own
            if rows[-1] and (new or rows[-1][-1][1][0] is None or x + needed > width - gap // 2):
                rows.append([])
                x = gap // 2
            rows[-1].append((x if n == 0 else x + mark, (colour if n == 0 else None, piece)))
            x += needed + gap
    out = Image.new("RGB", (width, step * len(rows) + gap // 2), PAGE)
    pen = ImageDraw.Draw(out)
    for at, row in enumerate(rows):
        y = gap // 4 + at * step
        for x, (colour, text) in row:
            if colour:
                top = y + (step - patch) // 2
                pen.rectangle((x, top, x + patch - 1, top + patch - 1), fill=colour)
            font.write(pen, (x + (patch + gap // 2 if colour else 0), y + (step - font.height) // 2), text, INK)
    return out


def _cut(text: str, width: int, font: Font) -> list[str]:
    """The text in lines that fit, cut between words, and inside of words that are longer than a line."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.length(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        while len(word) > 1 and font.length(word) > width:
            fits = next((n for n in range(len(word) - 1, 1, -1) if font.length(word[:n]) <= width), 1)
            lines[-1:] = [word[:fits], ""]
            word = word[fits:]
        lines[-1] = word
    return lines
