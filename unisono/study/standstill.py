"""Standstill: runs in which a task's loss did not fall, so that a comparison with them says little."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from unisono.train import journal

FEW = 40  # steps: in fewer, chance hides whether anything was learned
FALL = 0.02  # of the loss: a smaller fall from the first tenth of the steps to the last is none


def stands(losses: Sequence[float]) -> tuple[float, float] | None:
    """The mean loss in the first and in the last tenth of a task's steps, if it did not fall; None if it did."""
    if len(losses) < FEW:
        return None
    part = len(losses) // 10
    first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
    return (first, last) if last > first - FALL * abs(first) else None


def standstills(alone: Sequence[Mapping[str, Path]], together: Sequence[Path], rows: Mapping[str, float]) -> list[str]:
    """A warning for each task that learned nothing in some run.

    Args:
        alone: of each seed: task -> its run. ``together``: of each seed: the run of all.
        rows: task -> how many of its rows a step had.
    """
    joint = [_losses(run) for run in together]
    out = []
    for task in rows:
        single = [_losses(own[task]) for own in alone]
        for how, runs in (("alone", single), ("together", joint)):
            found = [still for run in runs if (still := stands(run[task]))]
            if found:
                first, last = found[0]
                times = f"in {len(found)} of {len(runs)} runs " if len(runs) > 1 else ""
                out.append(
                    f"{task} learned nothing {how} {times}(loss {first:.3g} in the first tenth of steps, {last:.3g} in "
                    f"the last): its learning rate may not suit {rows[task]:.3g} rows a step; --grid tries others"
                )
    return out


def _losses(run: Path) -> Mapping[str, list[float]]:
    """Task -> its losses, step by step."""
    out: dict[str, list[float]] = defaultdict(list)
    for event in journal.read(run / journal.EVENTS):
        if event["event"] == "stepped":
            for task, loss in event["losses"].items():
                out[task].append(loss)
    return out
