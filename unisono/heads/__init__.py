"""Heads: one file per decoder."""

from unisono.heads.base import (
    MISSING,
    OTHER,
    SHARE,
    Example,
    Head,
    Loss,
    Options,
    Prediction,
    Row,
    Targets,
    UnfitRow,
    hidden_fields,
)

__all__ = [
    "MISSING",
    "OTHER",
    "SHARE",
    "Example",
    "Head",
    "Loss",
    "Options",
    "Prediction",
    "Row",
    "Targets",
    "UnfitRow",
    "hidden_fields",
]
