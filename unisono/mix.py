"""Mix: which tasks make up a step, and in what shares. A pure function of (seed, step, progress, sizes)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

MIXES = ("proportional", "uniform", "temperature", "annealed", "weights")


def shares(
    by: str,
    sizes: Mapping[str, float],
    *,
    progress: float = 0.0,
    temperature: float = 2.0,
    weights: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Each task's share of a step; the shares sum to 1.

    Args:
        by: ``proportional`` to size; ``uniform``; ``temperature``: size^(1/temperature) (Arivazhagan et al. 2019);
            ``annealed``: size^α with α falling from 1 to 0.2 (Stickland & Murray 2019, eq. 4, by progress in place of
            epochs); ``weights``: as given.
        sizes: task -> its size in tokens (or rows, where steps are counted in rows).
        progress: how much of training is done, 0 to 1.
    """
    if by == "weights":
        raw = {task: float((weights or {})[task]) for task in sizes}
    else:
        power = {
            "proportional": 1.0,
            "uniform": 0.0,
            "temperature": 1.0 / temperature,
            "annealed": 1.0 - 0.8 * min(max(progress, 0.0), 1.0),
        }[by]
        raw = {task: float(size) ** power for task, size in sizes.items()}
    total = sum(raw.values())
    if not total > 0:
        raise ValueError(f"the shares of the mix sum to {total}: at least one task needs rows and a share")
    return {task: value / total for task, value in raw.items()}


def one_task(share: Mapping[str, float], *, seed: int, step: int) -> dict[str, float]:
    """All of a step for one task, drawn with probability equal to its share."""
    names = list(share)
    draw = np.random.default_rng([seed, 7, step]).random()
    at = int(np.searchsorted(np.cumsum([share[n] for n in names]), draw, side="right"))
    chosen = names[min(at, len(names) - 1)]
    return {name: float(name == chosen) for name in names}
