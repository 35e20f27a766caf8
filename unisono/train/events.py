"""Events: what the training loop says. Progress display, journal and TensorBoard listen; the loop prints nothing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Scores = Mapping[str, Mapping[str, float]]  # task -> metric -> value


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on after step ``resumed_from``."""

    run: str
    tasks: Mapping[str, Mapping[str, Any]]  # task -> its kind and its rows by split
    steps: int | None  # None: minutes alone decide
    parameters: int
    device: str
    precision: str
    resumed_from: int | None = None
    learning: int | None = None  # parameters that learn in some stage; None: all


@dataclass(frozen=True)
class Stepped:
    """One update of the weights."""

    step: int  # from 1
    progress: float  # 0 to 1, after this step
    losses: Mapping[str, float]  # task -> mean over its labelled units
    units: Mapping[str, int]  # task -> labelled units
    weights: Mapping[str, float]  # task -> λ
    rows: Mapping[str, int]
    tokens: int  # real input tokens, all tasks and processes together
    seconds: float
    lr: Mapping[str, float]  # parameter group -> learning rate
    norm: float  # of the gradient, before clipping
    shared: Mapping[str, int] = field(default_factory=dict)  # "ner+pos": tasks whose labels share rows -> rows drawn


@dataclass(frozen=True)
class Gradients:
    """How the tasks' gradients of the shared parameters lie to each other, in one step. Layers from the input up."""

    step: int
    tasks: Sequence[str]  # T of them
    norms: Mapping[str, Sequence[float]]  # layer -> (T,); "all": of all layers together
    cosines: Mapping[str, Sequence[Sequence[float]]]  # layer -> (T, T)


@dataclass(frozen=True)
class Staged:
    """A stage begins."""

    step: int  # steps taken before it
    number: int  # from 1
    name: str
    tasks: Sequence[str]  # in the mix
    frozen: Sequence[str]  # parts that do not learn, as the recipe names them
    scale: Mapping[str, float]  # trunk, heads -> factor on the learning rate


@dataclass(frozen=True)
class Left:
    """A task has stopped improving and leaves the mix, or stays held by its own predictions."""

    step: int
    task: str
    reason: str
    how: Literal["stopped", "distilled"]


@dataclass(frozen=True)
class Affinity:
    """What a step on one task's gradient alone would do to the others' losses of the same rows."""

    step: int
    tasks: Sequence[str]  # T of them
    matrix: Sequence[Sequence[float]]  # (T, T): row i the step, column j the share by which loss j would fall


@dataclass(frozen=True)
class Chosen:
    """``balance: auto`` has chosen λ, before the first step."""

    weights: Mapping[str, float]  # task -> λ
    rate: float  # factor on the recipe's learning rates
    number: int  # of the trial, from 1
    tried: int  # trials
    share: float  # of the run's steps that the search took
    seconds: float
    step: int = 0


@dataclass(frozen=True)
class Evaluated:
    """Scores on held-out rows."""

    step: int
    split: str
    scores: Scores
    main: Mapping[str, float]  # task -> its main metric
    mean: float  # of these, over the tasks of the last stage; the greatest so far makes the best checkpoint
    best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk."""

    step: int
    path: str
    best: bool = False


@dataclass(frozen=True)
class Skipped:
    """A step that was not taken: a task's loss or gradient was not finite."""

    step: int
    task: str
    rows: Sequence[tuple[str, int]]  # (file, row number)
    reason: str


@dataclass(frozen=True)
class Noted:
    """Something a person should read."""

    step: int
    level: Literal["info", "warning", "error"]
    text: str


@dataclass(frozen=True)
class Finished:
    """The last event of a training."""

    step: int
    seconds: float  # of training, earlier parts of a resumed run included
    reason: Literal["done", "interrupted", "failed"]
    model: str | None = None  # its folder
    scores: Scores = field(default_factory=dict)  # of the best evaluation


Event = (
    Started | Stepped | Gradients | Affinity | Chosen | Staged | Left | Evaluated | Saved | Skipped | Noted | Finished
)


class Listener(Protocol):
    """Hears every event, in order, on the main process. A plain callable with a ``close``."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Bus:
    """Passes events to listeners. One that fails is reported once, to the others, and never stops the training."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)
        self._reported: set[int] = set()
        self._waiting: deque[Event] = deque()
        self._busy = False

    def __call__(self, event: Event) -> None:
        self._waiting.append(event)
        if self._busy:  # said while another is being passed on, by a listener or a signal handler: it comes after
            return
        self._busy = True
        try:
            while self._waiting:
                self._pass(self._waiting.popleft())
        finally:
            self._busy = False

    def close(self) -> None:
        for listener in self._listeners:
            try:
                listener.close()
            except Exception as error:
                logging.getLogger(__name__).warning("%s failed to close: %s", type(listener).__name__, error)

    def _pass(self, event: Event) -> None:
        for number, listener in enumerate(self._listeners):
            try:
                listener(event)
            except Exception as error:  # whatever it is, training is worth more than a listener
                if number in self._reported:
                    continue
                self._reported.add(number)
                text = f"{type(listener).__name__} failed ({type(error).__name__}: {error}); training goes on"
                self._waiting.append(Noted(getattr(event, "step", 0), "warning", text))
                if len(self._listeners) == 1:
                    logging.getLogger(__name__).warning(text)
