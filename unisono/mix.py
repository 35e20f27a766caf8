"""Mix: which tasks make up a step, and in what shares. A pure function of (seed, step, progress, sizes, history)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

STATIC = ("proportional", "uniform", "temperature", "annealed", "weights")
ADAPTIVE = ("loss-driven", "uncertainty", "gradient-norm")
MIXES = (*STATIC, *ADAPTIVE, "round-robin")

_FIRST = 10  # losses whose mean stands for the loss at the start: one batch says little
_KEPT = 0.9  # share of a running mean kept at each step
_WILD = 1e6  # a loss so many times the mean of those before says no more by being larger; squares stay finite


def shares(
    by: str,
    sizes: Mapping[str, float],
    *,
    progress: float = 0.0,
    temperature: float = 2.0,
    weights: Mapping[str, float] | None = None,
    step: int = 0,
    history: History | None = None,
    floor: float = 0.0,
    members: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, float]:
    """Each task's share of a step; the shares sum to 1.

    Args:
        by: ``proportional`` to size; ``uniform``; ``temperature``: size^(1/temperature) (Arivazhagan et al. 2019);
            ``annealed``: size^α with α falling from 1 to 0.2 (Stickland & Murray 2019, eq. 4, by progress in place of
            epochs); ``weights``: as given; ``round-robin``: all of step n for one task in turn; and those of
            ``History.urge``: ``loss-driven``, ``uncertainty``, ``gradient-norm``.
        sizes: task -> its size in tokens (or rows, where steps are counted in rows).
        progress: how much of training is done, 0 to 1.
        step: the number of the step, for ``round-robin``.
        history: what was seen of the tasks so far, for the adaptive ones.
        floor: of the adaptive ones: the part of the step that is dealt out evenly, so that of T tasks none falls under
            floor / T.
        members: what is drawn as one task -> the tasks that it stands for in the history.
    """
    if by == "round-robin":
        turn = step % len(sizes)
        return {task: float(at == turn) for at, task in enumerate(sizes)}
    if by == "weights":
        raw = {task: float((weights or {})[task]) for task in sizes}
    elif by in ADAPTIVE:
        whose = {task: (members or {}).get(task, (task,)) for task in sizes}
        urge = (history or History()).urge(by, [t for own in whose.values() for t in own], temperature=temperature)
        raw = {task: sum(urge[t] for t in own) / len(own) for task, own in whose.items()}
    else:
        power = {
            "proportional": 1.0,
            "uniform": 0.0,
            "temperature": 1.0 / temperature,
            "annealed": 1.0 - 0.8 * min(max(progress, 0.0), 1.0),
        }[by]
        raw = {task: float(size) ** power for task, size in sizes.items()}
    total = sum(raw.values())
    if by in ADAPTIVE:
        even = 1.0 / len(sizes)
        return {
            task: (1 - floor) * (value / total if total > 0 else even) + floor * even for task, value in raw.items()
        }
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


def lessened(share: Mapping[str, float], tasks: Iterable[str], factor: float) -> dict[str, float]:
    """The shares with those of some tasks multiplied by ``factor``, and all scaled to sum to 1 again."""
    fewer = set(tasks)
    raw = {task: value * factor if task in fewer else value for task, value in share.items()}
    total = sum(raw.values())
    return {task: value / total for task, value in raw.items()} if total > 0 else dict(share)


@dataclass
class _Seen:
    """What is remembered of one task."""

    losses: int = 0  # seen so far
    first: float = 0.0  # mean of the first few losses
    recent: float = 0.0  # running mean of losses, that forgets
    mean: float = 0.0  # of all losses
    ratio: float = 0.0  # mean of the loss ratios: a loss by the mean of those before it
    spread: float = 0.0  # sum of squared deviations of the ratios (Welford 1962)
    norms: int = 0
    norm: float = 0.0  # running mean of gradient norms, that forgets


class History:
    """What adaptive mixes remember of each task: losses then and now, the spread of their ratios, gradient norms.

    A task that no step has shown yet is taken for an average one.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def take(self, losses: Mapping[str, float], norms: Mapping[str, float] | None = None) -> None:
        """Takes in what a step showed: task -> mean loss, and task -> norm of its gradient. What is not finite is not
        remembered.
        """
        for task, loss in losses.items():
            if math.isfinite(loss):
                self._take_loss(self._seen.setdefault(task, _Seen()), loss)
        for task, norm in (norms or {}).items():
            if math.isfinite(norm):
                seen = self._seen.setdefault(task, _Seen())
                seen.norm = _KEPT * seen.norm + (1 - _KEPT) * norm if seen.norms else norm
                seen.norms += 1

    def relative(self, task: str) -> float:
        """The recent loss by the first one; 1 for a task not seen yet."""
        seen = self._seen.get(task)
        return max(seen.recent, 0.0) / seen.first if seen and seen.first > 0 else 1.0

    def variation(self, task: str) -> float | None:
        """The coefficient of variation of the task's loss ratios; None before there are two."""
        seen = self._seen.get(task)
        if seen is None or seen.losses < 2 or not seen.ratio > 0:
            return None
        return math.sqrt(seen.spread / seen.losses) / seen.ratio

    def norm(self, task: str) -> float | None:
        """The running mean of the task's gradient norms."""
        seen = self._seen.get(task)
        return seen.norm if seen and seen.norms else None

    def urge(self, by: str, tasks: Iterable[str], *, temperature: float = 2.0) -> dict[str, float]:
        """How much each task asks for, not normalised.

        Args:
            by: ``loss-driven``: (L(t) / L(0))^(1/temperature), the rule of loss-balanced task weighting with
                α = 1/temperature (Liu, Liang & Gitter 2019, https://doi.org/10.1609/aaai.v33i01.33019977), for shares
                in place of weights: the task whose loss has fallen least gets most.
                ``uncertainty``: the coefficient of variation σ/μ of the ratios of each loss to the mean of those before
                (Groenendijk et al. 2021, https://arxiv.org/abs/2009.01717, section 3): a loss that still varies is not
                yet satisfied.
                ``gradient-norm``: the recent norm of the task's gradient. Sampling in proportion to gradient norms
                gives the least variance (Zhao & Zhang 2015, https://arxiv.org/abs/1401.2753, section 3), here for tasks
                in place of rows.
        """
        if by == "loss-driven":
            return {task: self.relative(task) ** (1.0 / temperature) for task in tasks}
        measure = {"uncertainty": self.variation, "gradient-norm": self.norm}[by]
        found = {task: measure(task) for task in tasks}
        known = [value for value in found.values() if value is not None]
        average = sum(known) / len(known) if known else 1.0
        return {task: average if value is None else value for task, value in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON; floats come back bit-equal."""
        return {task: asdict(seen) for task, seen in self._seen.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._seen = {task: _Seen(**fields) for task, fields in state.items()}

    @staticmethod
    def _take_loss(seen: _Seen, loss: float) -> None:
        ratio = min(loss / seen.mean, _WILD) if seen.losses and seen.mean > 0 else 1.0
        seen.losses += 1
        if seen.losses <= _FIRST:
            seen.first += (loss - seen.first) / seen.losses
        seen.recent = _KEPT * seen.recent + (1 - _KEPT) * loss if seen.losses > 1 else loss
        seen.mean += (loss - seen.mean) / seen.losses
        before = seen.ratio
        seen.ratio += (ratio - before) / seen.losses
        seen.spread += (ratio - before) * (ratio - seen.ratio)
