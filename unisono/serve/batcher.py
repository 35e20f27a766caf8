"""Batcher: requests wait here until a thread takes as many as fit one pass through the trunk, whatever their tasks."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from unisono.runtime.questions import Answer, Prediction, Question, Unanswerable
from unisono.serve.engine import Engine

_SLICE = 0.02  # seconds that running work may take before new requests are looked at
_FEW = 4  # requests that may always wait, however slow each is
_log = logging.getLogger("unisono.serve")


class Overloaded(Exception):
    """There is more to do than can be done in time.

    Args:
        retry_after: seconds until there may be room.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"more requests than can be answered in time; try again in {retry_after:.0f} s")
        self.retry_after = max(1, math.ceil(retry_after))


class Late(Exception):
    """The time that a request may take is over."""


class Broken(Exception):
    """A fault of ours; the log says which."""


@dataclass(eq=False)
class _Waiting:
    """A request on its way.

    Args:
        questions: that it asks together. ``cost``: their rough size. ``until``: when its time is over (monotonic).
        said: answers as they come, and at last None; an exception is the end too.
    """

    engine: Engine
    questions: Sequence[Question]
    cost: int
    until: float
    loop: asyncio.AbstractEventLoop
    said: asyncio.Queue[Answer | Exception | None] = field(default_factory=asyncio.Queue)
    left: int = 0  # questions that have no answer yet
    gone: bool = False  # nobody listens any more

    def __post_init__(self) -> None:
        self.left = len(self.questions)

    @property
    def slow(self) -> bool:
        return any(self.engine.faces[question.task].stepwise for question in self.questions)


class _Run:
    """Requests that are being answered together."""

    def __init__(self, waiting: Sequence[_Waiting]) -> None:
        self.waiting = waiting
        self.slow = any(w.slow for w in waiting)
        self.of = [(w, at) for w in waiting for at in range(len(w.questions))]
        self.work: Iterator[Answer | None] = waiting[0].engine.answers([q for w in waiting for q in w.questions])
        self.seconds = 0.0


class Batcher:
    """Takes requests on the event loop and answers them on a thread of its own.

    Requests to heads that answer at once go ahead of those that answer step by step, and new ones are taken in between
    the steps, so that a long translation holds up no label.

    Args:
        engine: answers; ``replace`` puts another in its place.
        pass_size: characters, or what weighs as much, that are taken into one pass.
        patience: seconds that a request may have to wait, by what the last ones took; more is refused.
        decodes: how many passes may be decoded step by step at once.
    """

    def __init__(self, engine: Engine, *, pass_size: int = 8192, patience: float = 0.5, decodes: int = 2) -> None:
        self.engine = engine
        self.pass_size, self.patience, self.decodes = pass_size, patience, decodes
        self.passes = self.rows = 0
        self._quick: deque[_Waiting] = deque()
        self._slow: deque[_Waiting] = deque()
        self._running: list[_Run] = []
        self._pace = {False: 0.0, True: 0.0}  # seconds for a unit of cost, of requests that answer at once or in steps
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="unisono-batcher", daemon=True)
        self._thread.start()

    # -- on the event loop -----------------------------------------------------------------------------------------

    async def ask(self, questions: Sequence[Question], *, cost: int, seconds: float) -> list[Prediction | Unanswerable]:
        """The last answer to each question.

        Raises:
            Overloaded, Late, Broken: see there.
        """
        found: list[Prediction | Unanswerable] = [Unanswerable("no answer")] * len(questions)
        async for answer in self.stream(questions, cost=cost, seconds=seconds):
            found[answer.at] = answer.found
        return found

    async def stream(self, questions: Sequence[Question], *, cost: int, seconds: float) -> AsyncIterator[Answer]:
        """Answers as they come, those that are not yet whole among them. Raises what ``ask`` raises."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(self.engine, questions, cost, time.monotonic() + seconds, loop)
        self._admit(waiting)
        alarm = loop.call_later(seconds, waiting.said.put_nowait, Late())
        try:
            while (said := await waiting.said.get()) is not None:
                if isinstance(said, Exception):
                    raise said
                yield said
        finally:
            waiting.gone = True
            alarm.cancel()

    def replace(self, engine: Engine) -> None:
        """New requests go to this engine; those that were let in before are answered by the one they met."""
        self.engine = engine

    @property
    def waiting(self) -> int:
        """Requests that no pass has taken yet."""
        return len(self._quick) + len(self._slow)

    async def close(self) -> None:
        """Answers what waits, then ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _admit(self, waiting: _Waiting) -> None:
        queue = self._slow if waiting.slow else self._quick
        with self._changed:
            if self._closing:
                raise Overloaded(1)
            wait = self._expected(waiting.slow)
            if wait > self.patience and len(queue) >= _FEW:
                raise Overloaded(wait)
            queue.append(waiting)
            self._changed.notify()

    def _expected(self, slow: bool) -> float:
        """Seconds until a request that comes now would be taken."""
        ahead = self._pace[False] * sum(w.cost for w in self._quick)
        if slow:
            ahead += self._pace[True] * sum(w.cost for w in self._slow)
        return ahead

    # -- on the thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._quick or self._slow or self._running or self._closing):
                    self._changed.wait()
                if self._closing and not (self._quick or self._slow or self._running):
                    return
                taken = self._take()
            if taken:
                self.passes += 1
                self.rows += sum(len(w.questions) for w in taken)
                self._running.append(_Run(taken))
            for run in tuple(self._running):
                self._step(run)

    def _take(self) -> list[_Waiting]:
        """The requests of the next pass: all of one engine."""
        taken: list[_Waiting] = []
        size = 0
        queues = [self._quick]
        if sum(run.slow for run in self._running) < self.decodes:
            queues.append(self._slow)
        for queue in queues:
            while queue and (not taken or size + queue[0].cost <= self.pass_size):
                if taken and queue[0].engine is not taken[0].engine:
                    break
                one = queue.popleft()
                if one.gone or time.monotonic() > one.until:
                    continue
                taken.append(one)
                size += one.cost
        return taken

    def _step(self, run: _Run) -> None:
        """Goes on with a run for a while; hands out what it finds."""
        begin = now = time.monotonic()
        said: list[tuple[_Waiting, Answer | Exception | None]] = []
        ended = all(w.gone for w in run.waiting)
        try:
            while not ended and now - begin < _SLICE:
                answer = next(run.work)
                now = time.monotonic()
                if answer is None:
                    continue
                waiting, at = run.of[answer.at]
                said.append((waiting, answer._replace(at=at)))
                if answer.last:
                    waiting.left -= 1
                    if not waiting.left:
                        said.append((waiting, None))
        except StopIteration:
            ended = True
        except Exception:
            _log.exception("a pass failed")
            said += [(waiting, Broken()) for waiting in run.waiting if waiting.left]
            ended = True
        run.seconds += time.monotonic() - begin
        if ended:
            self._running.remove(run)
            if not all(w.gone for w in run.waiting):  # else it was given up before its end, and tells no pace
                self._learn(run)
        for loop in {waiting.loop for waiting, _ in said}:
            loop.call_soon_threadsafe(_deliver, [(w, what) for w, what in said if w.loop is loop])

    def _learn(self, run: _Run) -> None:
        """The pace, a running mean over about ten runs."""
        pace = run.seconds / max(1, sum(w.cost for w in run.waiting))
        known = self._pace[run.slow]
        self._pace[run.slow] = 0.9 * known + 0.1 * pace if known else pace


def _deliver(said: Sequence[tuple[_Waiting, Answer | Exception | None]]) -> None:
    for waiting, what in said:
        if not waiting.gone:
            waiting.said.put_nowait(what)
