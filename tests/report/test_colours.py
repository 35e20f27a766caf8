"""Colours: legible on their page in light and in dark, and apart for every colour vision."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from unisono.report.colours import DARK, LIGHT, SLOTS

# Machado, Oliveira, Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", full.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def linear(colour: str) -> np.ndarray:
    """sRGB as linear light, (3,)."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, 1.4.3: 1 to 21."""
    a, b = sorted((linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, other)), reverse=True)
    return (a + 0.05) / (b + 0.05)


def lab(light: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light
    t = xyz / [0.9505, 1.0, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@THEMES
def test_both_themes_name_the_same_colours(theme):
    assert set(theme) == set(LIGHT)


@THEMES
def test_text_and_lines_stand_out_from_the_page(theme):
    for name in ("ink", "soft", "plus"):  # plus is also the colour of links
        assert contrast(theme[name], theme["page"]) >= 4.5, name
        assert contrast(theme[name], theme["panel"]) >= 4.5, name
    for name in ("minus", "muted", *(f"s{i}" for i in range(SLOTS))):
        assert contrast(theme[name], theme["page"]) >= 3.0, name
    for name in ("plus", "minus"):
        assert contrast(theme["on"], theme[name]) >= 4.5, name


@THEMES
@pytest.mark.parametrize("vision", VISION)
def test_tasks_are_told_apart_by_every_colour_vision(theme, vision):
    seen = {i: lab(np.clip(VISION[vision] @ linear(theme[f"s{i}"]), 0, 1)) for i in range(SLOTS)}
    apart = {(i, j): float(np.linalg.norm(seen[i] - seen[j])) for i, j in combinations(range(SLOTS), 2)}
    assert min(apart.values()) >= 20, min(apart, key=apart.get)


@THEMES
@pytest.mark.parametrize("vision", VISION)
def test_gain_and_loss_are_told_apart_by_every_colour_vision(theme, vision):
    plus, minus = (lab(np.clip(VISION[vision] @ linear(theme[n]), 0, 1)) for n in ("plus", "minus"))
    assert np.linalg.norm(plus - minus) >= 30
