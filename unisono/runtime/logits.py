"""logits: the probabilities that they stand for."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last dimension."""
    grown = np.exp(logits - logits.max(-1, keepdims=True))
    out: np.ndarray = grown / grown.sum(-1, keepdims=True)
    return out


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last dimension."""
    away = logits - logits.max(-1, keepdims=True)
    out: np.ndarray = away - np.log(np.exp(away).sum(-1, keepdims=True))
    return out


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without an overflow."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, small) / (1 + small)
