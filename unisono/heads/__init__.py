"""Heads: one file per decoder."""

from unisono.heads.base import (
    MISSING,
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
