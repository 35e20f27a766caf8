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
from unisono.serve.admission import Admission, Pace
from unisono.serve.engine import Engine

_SLICE = 0.02  # seconds that running work may take before new requests are looked at
_FEW = {False: 1, True: 4}  # requests that may always wait, however slow each is: answered at once, and in steps
_log = logging.getLogger("unisono.serve")


OVERLOADED = "overloaded"  # the code of a refusal for want of time


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
        promised: when it should be answered (monotonic); None: nothing is known of it.
    """

    engine: Engine
    questions: Sequence[Question]
    cost: int
    until: float
    loop: asyncio.AbstractEventLoop
    said: asyncio.Queue[Answer | Exception | None] = field(default_factory=asyncio.Queue)
    slow: bool = False  # some of it is answered step by step
    promised: float | None = None
    left: int = 0  # questions that have no answer yet
    gone: bool = False  # nobody listens any more

    def __post_init__(self) -> None:
        self.left = len(self.questions)
        self.slow = any(self.engine.faces[question.task].stepwise for question in self.questions)


class _Run:
    """Requests that are being answered together."""

    def __init__(self, waiting: Sequence[_Waiting]) -> None:
        self.waiting = waiting
        self.slow = any(w.slow for w in waiting)
        self.of = [(w, at) for w in waiting for at in range(len(w.questions))]
        self.work: Iterator[Answer | None] = waiting[0].engine.answers([q for w in waiting for q in w.questions])
        self.cost = sum(w.cost for w in waiting)
        self.begin = time.monotonic()
        self.seconds = 0.0  # that were given to it


class Batcher:
    """Takes requests on the event loop and answers them on a thread of its own.

    Requests to heads that answer at once go ahead of those that answer step by step, and new ones are taken in between
    the steps, so that a long translation holds up no label.

    Args:
        engine: answers; ``replace`` puts another in its place.
        pass_size: characters, or what weighs as much, that are taken into one pass; fewer, where ``Admission`` says so.
        patience: seconds, by what the last passes took, in which a request is answered, or one that is answered step by
            step is taken up; what would take longer is refused.
        decodes: how many passes may be decoded step by step at once.
    """

    def __init__(self, engine: Engine, *, pass_size: int = 8192, patience: float = 0.5, decodes: int = 2) -> None:
        self.engine = engine
        self.pass_size, self.patience, self.decodes = pass_size, patience, decodes
        self.admission = Admission(patience, pass_size)
        self.passes = self.rows = 0
        self._quick: deque[_Waiting] = deque()
        self._slow: deque[_Waiting] = deque()
        self._quick_cost = 0  # of all that wait in _quick
        self._running: list[_Run] = []
        self._pace = Pace()  # of requests that answer in steps
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

    def full(self) -> float | None:
        """Seconds until there may be room for a request that is answered at once, if none would be let in now."""
        with self._changed:
            if len(self._quick) < _FEW[False] or self._closing:
                return None
            now = time.monotonic()
            wait = self.admission.expected(now, self._quick_cost, 0.0)
            if not self.admission.late(wait):
                return None
            return self.admission.again(now, wait, self._quick_cost / len(self._quick))

    def _admit(self, waiting: _Waiting) -> None:
        queue = self._slow if waiting.slow else self._quick
        with self._changed:
            if self._closing:
                raise Overloaded(1)
            now = time.monotonic()
            if waiting.slow:
                wait = self.admission.ahead(now, self._quick_cost) + self._pace.mean * sum(w.cost for w in self._slow)
            else:
                wait = self.admission.expected(now, self._quick_cost, waiting.cost)
                waiting.promised = now + wait if self.admission.passes else None
            if self.admission.late(wait) and len(queue) >= _FEW[waiting.slow]:
                raise Overloaded(wait if waiting.slow else self.admission.again(now, wait, waiting.cost))
            queue.append(waiting)
            self._quick_cost += 0 if waiting.slow else waiting.cost
            self._changed.notify()

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
                run = _Run(taken)
                self._running.append(run)
                with self._changed:
                    self.admission.begin(run.begin, 0.0 if run.slow else run.cost)
            for run in tuple(self._running):
                self._step(run)

    def _take(self) -> list[_Waiting]:
        """The requests of the next pass: all of one engine."""
        taken: list[_Waiting] = []
        size = 0
        queues = [(self._quick, self.admission.room)]
        if sum(run.slow for run in self._running) < self.decodes:
            queues.append((self._slow, self.pass_size))
        for queue, room in queues:
            while queue and (not taken or size + queue[0].cost <= room):
                if taken and queue[0].engine is not taken[0].engine:
                    break
                one = queue.popleft()
                self._quick_cost -= 0 if one.slow else one.cost
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
                with self._changed:
                    if run.slow:
                        self._pace.learn(run.cost, run.seconds)
                    else:  # what came between its steps is a part of how long passes take
                        self.admission.passes.learn(run.cost, time.monotonic() - run.begin)
        for loop in {waiting.loop for waiting, _ in said}:
            of_loop = [(w, what) for w, what in said if w.loop is loop]
            loop.call_soon_threadsafe(self._deliver, of_loop, time.monotonic())

    def _deliver(self, said: Sequence[tuple[_Waiting, Answer | Exception | None]], found: float) -> None:
        """On the event loop: hands out what was found then."""
        now = time.monotonic()
        # The event loop was as long in reading the requests as it was in coming here.
        misses = [2 * now - found - w.promised for w, what in said if what is None and w.promised is not None]
        if misses:
            with self._changed:
                self.admission.missed(max(misses))
        for waiting, what in said:
            if not waiting.gone:
                waiting.said.put_nowait(what)
