"""Claims: which trial a worker runs next, so that each is finished once, whoever dies meanwhile.

A search of n trials has the trials 0 to n - 1. What Optuna calls a trial is here an *attempt* at one of them: it enters
the study already running, with the trial's number and its worker, in one transaction, so there is no moment at which it
is lost. An attempt whose worker died is marked as failed and another one made, with the same settings; it goes on from
the checkpoint of the run that they share. Should two workers claim the same trial at once, the later attempt sees the
earlier one, as the database numbers them in order, and withdraws. Nothing relies on a lock that a database may lack.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from unisono.study.presence import Presence, one_at_a_time

NUMBER, WORKER, SEEN, CLAIM = "number", "worker", "seen", "claim"  # what an attempt says of itself
ERROR, LEFT, WITHDRAWN = "error", "left", "withdrawn"  # and of its end
BEAT = 20.0  # seconds between signs of life
POLL = 0.5  # seconds between looks at the study, while there is nothing to do but wait for others
DEATHS = 10  # of the workers of one trial, before it is given up

LIVE = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
FINAL = ("complete", "pruned", "failed")
State = Literal["complete", "pruned", "failed", "running", "waiting"]
Attempts = list[Any]  # Optuna's trials, in order


@dataclass(frozen=True)
class Claim:
    """A trial that is this worker's to run.

    Args:
        number: of the trial. ``attempt``: Optuna's trial, running.
    """

    number: int
    attempt: Any

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Gives signs of life while the trial runs."""
        end = threading.Event()
        thread = threading.Thread(target=self._beat, args=(end,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()

    def _beat(self, end: threading.Event) -> None:
        while not end.wait(BEAT):
            try:
                self.attempt.set_user_attr(SEEN, time.time())
            except RuntimeError:  # the attempt has ended; Optuna's UpdateFinishedTrialError is one
                return
            except Exception:  # the database is away: the next beat may reach it
                continue


class Claims:
    """A worker's view of a study.

    Args:
        study: Optuna's. ``count``: how many trials it is to have.
        presence: this worker's.
        sampler: number of a trial -> what proposes its settings.
        given: number of a trial -> settings that are not proposed but given.
    """

    def __init__(
        self,
        study: Any,
        count: int,
        presence: Presence,
        *,
        sampler: Callable[[int], Any],
        given: Callable[[int], Mapping[str, Any]],
    ) -> None:
        self.study, self.count, self.presence, self.sampler, self.given = study, count, presence, sampler, given

    def take(self) -> Claim | None:
        """The next trial to run; None when all are finished. Waits while others run the last ones: they may die."""
        while True:
            with one_at_a_time(self.presence.folder / "claiming"):
                found = self._try()
            if found != "wait":
                return found
            time.sleep(POLL)

    def _try(self) -> Claim | Literal["wait"] | None:
        self._bury()
        while True:
            by_number = attempts(self.study)
            unfinished = [n for n in range(self.count) if state(by_number.get(n, [])) not in FINAL]
            if not unfinished:
                return None
            free = [n for n in unfinished if state(by_number.get(n, [])) == "waiting"]
            if not free:
                return "wait"
            claim = self._claim(free[0], by_number.get(free[0], []))
            if claim:
                return claim

    def _claim(self, number: int, before: Attempts) -> Claim | None:
        params = dict(self.given(number))
        for attempt in before:
            params |= attempt.params
        token = uuid.uuid4().hex
        own = {NUMBER: number, WORKER: self.presence.name, SEEN: time.time(), CLAIM: token}
        self.study.sampler = self.sampler(number)
        self.study.add_trial(
            optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs=own, system_attrs={"fixed_params": params})
        )
        now = attempts(self.study)[number]
        mine = next(attempt for attempt in now if attempt.user_attrs[CLAIM] == token)
        attempt = optuna.trial.Trial(self.study, mine._trial_id)
        if any(other.number < mine.number and _stands(other) for other in now):
            end(self.study, attempt, TrialState.FAIL, {WITHDRAWN: True})
            return None
        deaths = sum(_died(attempt) for attempt in before)
        if deaths >= DEATHS:
            end(self.study, attempt, TrialState.FAIL, {ERROR: f"given up: {deaths} workers died of it"})
            return None
        return Claim(number, attempt)

    def _bury(self) -> None:
        """Fails the attempts of dead workers, so that their trials are free again."""
        for attempt in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            known = attempt.user_attrs
            if NUMBER in known and self.presence.lost(known[WORKER], known[SEEN]):
                end(self.study, attempt.number, TrialState.FAIL)


def attempts(study: Any) -> dict[int, Attempts]:
    """Number of a trial -> the attempts at it, in order."""
    out: dict[int, Attempts] = defaultdict(list)
    for attempt in study.get_trials(deepcopy=False):
        if NUMBER in attempt.user_attrs:
            out[attempt.user_attrs[NUMBER]].append(attempt)
    return out


def decisive(found: Attempts) -> Any | None:
    """The attempt that a trial stands for: the one that ended it or runs; None where it waits."""
    return next((attempt for attempt in found if _stands(attempt)), None)


def state(found: Attempts) -> State:
    """How far a trial is, from the attempts at it."""
    attempt = decisive(found)
    if attempt is None:
        return "waiting"
    if attempt.state == TrialState.COMPLETE:
        return "complete"
    if attempt.state == TrialState.RUNNING:
        return "running"
    return "failed" if ERROR in attempt.user_attrs else "pruned"


def end(
    study: Any, attempt: Any, how: TrialState, notes: Mapping[str, Any] | None = None, values: list[float] | None = None
) -> bool:
    """Ends an attempt; False if another worker has ended it already, taking this one for dead.

    Args:
        attempt: Optuna's trial, or its number.
        notes: what it says of its end; only of an attempt of one's own.
    """
    try:
        for key, value in (notes or {}).items():
            attempt.set_user_attr(key, value)
        study.tell(attempt, values, state=how)
    except (ValueError, RuntimeError):  # "Cannot tell a FAIL trial", UpdateFinishedTrialError
        return False
    return True


def _stands(attempt: Any) -> bool:
    """Whether an attempt runs or has ended its trial; a failed one has not, unless it says why it failed."""
    return attempt.state in LIVE or (attempt.state == TrialState.FAIL and ERROR in attempt.user_attrs)


def _died(attempt: Any) -> bool:
    return attempt.state == TrialState.FAIL and not {LEFT, WITHDRAWN, ERROR} & set(attempt.user_attrs)
