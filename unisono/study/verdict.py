"""Verdict: what the differences say in sentences: which tasks gained, which lost, and whether that is evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from unisono.study.conflicts import Conflict
from unisono.study.difference import LEVEL, Interval


def enough(found: Interval, seeds: int) -> bool:
    """Whether an interval lies on one side of 0. One seed is never enough: it cannot show how much chance decides."""
    return seeds > 1 and (found.low > 0 or found.high < 0)


def sentence(tasks: Mapping[str, Interval], mean: Interval, *, seeds: int) -> str:
    """The result of a comparison as a person says it."""
    gained = [name for name, found in tasks.items() if found.low > 0]
    lost = [name for name, found in tasks.items() if found.high < 0]
    unclear = [name for name in tasks if name not in gained and name not in lost]
    show = "shows" if len(unclear) == 1 else "show"
    said = [
        f"{', '.join(names)} {what}"
        for names, what in ((gained, "gained"), (lost, "lost"), (unclear, f"{show} no clear difference"))
        if names
    ]
    if not math.isfinite(mean.mean):
        return "Alone, every task scores 0, so there is nothing to compare with."
    whole = f"Learning together changed the scores by {mean.mean:+.1f} % ({_span(mean)}): {'; '.join(said)}."
    if enough(mean, seeds):
        return (
            f"{whole} The evidence is enough to say that it {'helped' if mean.low > 0 else 'hurt'} over {seeds} seeds."
        )
    if seeds == 1:
        return f"{whole} One seed is no evidence: it cannot show how much chance decides; use --seeds 3."
    return (
        f"{whole} The evidence of {seeds} seeds is not enough to say whether it helped or hurt; "
        f"more of them (--seeds {2 * seeds}) narrow the interval."
    )


def warnings(tasks: Mapping[str, Interval], conflicts: Sequence[Conflict], *, measured: bool) -> list[str]:
    """A line for each task that lost, with the task and the layers that its gradient conflicts with.

    Args:
        conflicts: worst first.
        measured: whether the gradients were looked at.
    """
    out = []
    for task, found in tasks.items():
        if not math.isfinite(found.mean):
            out.append(f"{task} scores 0 alone, so its difference in percent is not known and not part of Δm")
        if not found.high < 0:
            continue
        line = f"negative transfer: {task} lost {-found.mean:.1f} % ({_span(found)})"
        against = next((c for c in conflicts if task in c.tasks), None)
        if against:
            other = next(name for name in against.tasks if name != task)
            where = f"in {', '.join(against.layers)}" if against.layers else "over all layers"
            line += f"; its gradient conflicts with that of {other} {where} (mean cosine {against.cosine:+.2f})"
        elif measured:
            line += (
                "; no conflict of gradients was measured; --grid shows whether the learning rates suit one side better"
            )
        out.append(line)
    return out


def _span(found: Interval) -> str:
    return f"{100 * LEVEL:.0f} % interval {found.low:+.1f} to {found.high:+.1f} %"
