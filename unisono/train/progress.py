"""The progress of a training for a person, on stderr: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unisono.train.events import (
    Chosen,
    Evaluated,
    Event,
    Finished,
    Left,
    Noted,
    Saved,
    Skipped,
    Staged,
    Started,
    Stepped,
)

_SMOOTH = 0.95  # share of a smoothed figure kept at each step
_LIVE, _PLAIN = 0.25, 10.0  # seconds between drawings


class Progress:
    """Shows each task's smoothed loss and main metric, tokens/s and the time left.

    Args:
        console: where to; default: stderr, a live table if that is a terminal.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._started: Started | None = None
        self._step: Stepped | None = None
        self._losses: dict[str, _Smoothed] = {}
        self._speed = _Smoothed()
        self._main: Mapping[str, float] = {}
        self._best: tuple[int, float] | None = None
        self._begin = self._drawn = time.monotonic()
        self._first = 0.0  # the progress that this process began at

    def __call__(self, event: Event) -> None:
        match event:
            case Started():
                self._start(event)
            case Stepped():
                self._take(event)
                self._draw()
            case Evaluated():
                self._main = event.main
                if event.best:
                    self._best = (event.step, event.mean)
                self._draw(now=True)
                if event.scores and not self._live:
                    self._say(f"step {event.step}  {event.split}  {_scores(event.scores)}{'  (best)' * event.best}")
            case Staged():
                frozen = f"; frozen: {', '.join(event.frozen)}" if event.frozen else ""
                self._say(f'stage {event.number} "{event.name}": {", ".join(event.tasks)}{frozen}')
            case Chosen():
                rates = f", learning rates × {event.rate:.3g}" if event.rate != 1.0 else ""
                weights = " · ".join(f"{task} {weight:g}" for task, weight in event.weights.items())
                of = f"trial {event.number} of {event.tried}, {_clock(event.seconds)}"
                self._say(f"balance: auto has chosen λ {weights}{rates} ({of})")
            case Left():
                self._say(f'step {event.step}  task "{event.task}" is {event.how}: {event.reason}')
            case Noted():
                self._say(event.text, {"warning": "yellow", "error": "red"}.get(event.level, ""))
            case Skipped():
                rows = ", ".join(f"{file} row {row}" for file, row in event.rows[:3])
                more = f" and {len(event.rows) - 3} more" if len(event.rows) > 3 else ""
                who = f'task "{event.task}": ' if event.task else ""
                where = f" ({rows}{more})" if rows else ""
                self._say(f"step {event.step} skipped: {who}{event.reason}{where}", "yellow")
            case Saved():
                pass
            case Finished():
                self._end()
                self._say(f"{event.reason} after {event.step} steps, {_clock(event.seconds)}")

    def close(self) -> None:
        self._end()

    def _start(self, event: Started) -> None:
        self._started, self._begin = event, time.monotonic()
        again = f", going on after step {event.resumed_from}" if event.resumed_from else ""
        some = ""
        if event.learning is not None and event.learning < event.parameters:
            some = f"{event.learning / 1e6:.2f} M of them learn, "
        self._say(
            f"{event.run}: {len(event.tasks)} tasks, {event.parameters / 1e6:.1f} M parameters, {some}"
            f"{event.device}, {event.precision}{again}"
        )
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            # Drawn by events alone, without a thread of its own; stdout is left to whoever wants it (--json).
            self._live = Live(self._table(), console=self._console, auto_refresh=False, redirect_stdout=False)
            self._live.start()

    def _take(self, event: Stepped) -> None:
        if self._step is None:
            self._first = event.progress if self._started and self._started.resumed_from else 0.0
        self._step = event
        for task, loss in event.losses.items():
            self._losses.setdefault(task, _Smoothed()).take(loss)
        self._speed.take(event.tokens / max(event.seconds, 1e-9))

    def _draw(self, *, now: bool = False) -> None:
        every = _LIVE if self._live else _PLAIN
        if self._step is None or (not now and time.monotonic() - self._drawn < every):
            return
        self._drawn = time.monotonic()
        if self._live:
            self._live.update(self._table(), refresh=True)
        else:
            losses = "  ".join(f"{task} {loss.value:.4g}" for task, loss in self._losses.items())
            self._say(f"{self._where()}  loss  {losses}  {self._pace()}")

    def _table(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        for title in ("task", "kind", "loss", "metric"):
            table.add_column(title, justify="right" if title in ("loss", "metric") else "left")
        for task, facts in self._started.tasks.items() if self._started else ():
            loss = f"{self._losses[task].value:.4f}" if task in self._losses else "–"
            main = f"{self._main[task]:.4f}" if task in self._main else "–"
            table.add_row(escape(task), str(facts.get("kind", "")), loss, main)
        done = self._step.progress if self._step else 0.0
        bar = Table.grid(padding=(0, 2, 0, 0))
        bar.add_row(ProgressBar(total=1.0, completed=done, width=40), Text(f"{done:4.0%}  {self._where()}"))
        best = f"   best mean {self._best[1]:.4f} at step {self._best[0]}" if self._best else ""
        return Group(table, bar, Text(self._pace() + best, style="dim"))

    def _where(self) -> str:
        of = f"/{self._started.steps}" if self._started and self._started.steps else ""
        return f"step {self._step.step if self._step else 0}{of}"

    def _pace(self) -> str:
        if self._step is None:
            return ""
        gone = self._step.progress - self._first
        left = (time.monotonic() - self._begin) * (1 - self._step.progress) / gone if gone > 0 else math.nan
        return f"{self._speed.value:,.0f} tokens/s  {_clock(left)} left"

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _end(self) -> None:
        if self._live:
            self._live.update(self._table())
            self._live.stop()
            self._live = None


class _Smoothed:
    """A running mean that forgets; the first values weigh as much as there are."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    @property
    def value(self) -> float:
        return self._sum / self._weight if self._weight else math.nan

    def take(self, value: float) -> None:
        if math.isfinite(value):  # one bad step must not blind the display for good
            self._sum = _SMOOTH * self._sum + (1 - _SMOOTH) * value
            self._weight = _SMOOTH * self._weight + (1 - _SMOOTH)


def _scores(scores: Mapping[str, Mapping[str, float]]) -> str:
    """The scores of whole tasks; those of parts (``f1/PER``) are in the journal."""

    def said(by: Mapping[str, float]) -> str:
        return " ".join(f"{name} {v:.4g}" for name, v in by.items() if "/" not in name and name != "rows")

    return " · ".join(f"{task} {said(by)}" for task, by in scores.items())


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "–"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
