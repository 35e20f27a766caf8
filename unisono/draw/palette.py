"""A colour for each class: the report's, those of its dark page, and from the thirteenth class on turns of the hue."""

from __future__ import annotations

import colorsys

from unisono.report.colours import DARK, LIGHT, SLOTS

Colour = tuple[int, int, int]

_TURN = 0.618034  # the golden section: however many hues there are, the next falls into a large gap


def parsed(code: str) -> Colour:
    """``#rrggbb`` -> (r, g, b)."""
    red, green, blue = (int(code[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


PAGE, INK = (parsed(LIGHT[name]) for name in ("page", "ink"))
_FIXED = [parsed(colours[f"s{slot}"]) for colours in (LIGHT, DARK) for slot in range(SLOTS)]


def colour(at: int) -> Colour:
    """That of a class by its place in the list of classes."""
    if at < len(_FIXED):
        return _FIXED[at]
    red, green, blue = colorsys.hsv_to_rgb(at * _TURN % 1, 0.75, (0.9, 0.6)[at % 2])
    return round(255 * red), round(255 * green), round(255 * blue)


def ink_on(ground: Colour) -> Colour:
    """The colour for letters on a ground: black or white, whichever stands out more."""
    return max(((0, 0, 0), (255, 255, 255)), key=lambda letters: contrast(letters, ground))


def contrast(one: Colour, other: Colour) -> float:
    """From 1, the same, to 21, black on white (WCAG 2.1, section 1.4.3)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(value: Colour) -> float:
    parts = [v / 255 for v in value]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
