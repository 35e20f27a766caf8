"""TensorBoard's log: losses, weights, learning rates, speed and scores as curves. Needs the extra ``tensorboard``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from unisono.train.events import Evaluated, Event, Finished, Started, Stepped


class TensorBoard:
    """Writes curves to a folder that ``tensorboard --logdir`` shows.

    Raises:
        ImportError: the package is not installed; the message says how to install it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoard's log needs the package tensorboard: pip install 'unisono[tensorboard]'"
            ) from error
        self._folder, self._make = folder, SummaryWriter
        self._writer: Any = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            # Only now is it known from which step on the curves of an earlier process are to be forgotten.
            self._writer = self._make(str(self._folder), purge_step=(event.resumed_from or 0) + 1)
        elif self._writer is None:
            return
        elif isinstance(event, Stepped):
            values = {f"loss/{task}": loss for task, loss in event.losses.items()}
            values |= {f"weight/{task}": weight for task, weight in event.weights.items()}
            values |= {f"lr/{group}": rate for group, rate in event.lr.items()}
            values["step/gradient_norm"] = event.norm
            values["step/tokens_per_second"] = event.tokens / max(event.seconds, 1e-9)
            self._add(values, event.step)
        elif isinstance(event, Evaluated):
            scores = event.scores.items()
            values = {f"{event.split}/{task}/{metric}": v for task, by in scores for metric, v in by.items()}
            self._add(values | {f"{event.split}/mean": event.mean}, event.step)
            self._writer.flush()
        elif isinstance(event, Finished):
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _add(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(name, value, step)
