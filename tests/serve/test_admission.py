"""Admission, by a simulated clock: what is let in is answered in time, on machines of any pace, and they are busy."""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count, pairwise
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unisono.serve.admission import Admission, Passes

PATIENCE, PASS_SIZE = 0.5, 8192.0


@dataclass
class Seen:
    """``took``: seconds of each answer. ``cost``: of all that was answered."""

    took: list[float] = field(default_factory=list)
    cost: float = 0.0
    refused: int = 0

    def after(self, share: float) -> float:
        return sorted(self.took)[int(share * len(self.took))]


def simulate(
    fixed: float, each: float, uneven: float, *, clients: int, seconds: float = 18.0, think: float = 0.0
) -> Seen:
    """Clients that ask again when they are answered, or when they are told to; the first third is not counted.

    Args:
        fixed, each: seconds of a pass, and for a unit of its cost. ``uneven``: deviation of the logarithm of both.
        think: seconds between an answer and the client's next request, in the mean.
    """
    draw, number, seen = random.Random(0), count(), Seen()
    admission = Admission(PATIENCE, PASS_SIZE)
    events = [(draw.random() * 0.05, next(number), "ask", None) for _ in range(clients)]
    waiting: deque[tuple[float, float, float]] = deque()  # (came, cost, promised)
    running, ahead = False, 0.0

    def then(at: float, what: str, more=None) -> None:
        heapq.heappush(events, (at, next(number), what, more))

    while (event := heapq.heappop(events))[0] < seconds:
        now, _, what, ended = event
        if what == "ask":
            cost = draw.choice([80.0, 80.0, 80.0, 320.0])
            expected = admission.expected(now, ahead, cost)
            if admission.late(expected) and waiting:
                seen.refused += now > seconds / 3
                then(now + max(1, ceil(admission.again(now, expected, cost))) * draw.uniform(1, 1.1), "ask")
            else:
                waiting.append((now, cost, now + expected))
                ahead += cost
        else:
            taken, took = ended
            running = False
            size = sum(one[1] for one in taken)
            admission.passes.learn(size, took)
            admission.missed(max(now - one[2] for one in taken))
            for came, cost, _ in taken:
                if came > seconds / 3:
                    seen.took.append(now - came)
                    seen.cost += cost
                then(now + 0.001 + (draw.expovariate(1 / think) if think else 0.0), "ask")
        if waiting and not running:
            room, taken = admission.room, [waiting.popleft()]
            size = taken[0][1]
            while waiting and size + waiting[0][1] <= room:
                taken.append(waiting.popleft())
                size += taken[-1][1]
            ahead -= size
            admission.begin(now, size)
            took = (fixed + each * size) * draw.lognormvariate(0, uneven)
            running = True
            then(now + took, "end", (taken, took))
    return seen


MACHINES = {"fixed": st.floats(0, 0.04), "each": st.floats(1e-5, 2e-4), "uneven": st.floats(0, 0.15)}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(**MACHINES)
def test_of_too_many_clients_those_let_in_are_answered_in_time_and_the_machine_is_busy(fixed, each, uneven):
    seen = simulate(fixed, each, uneven, clients=256)
    assert seen.after(0.99) <= PATIENCE
    long = max(0.2 * PATIENCE, 3 * fixed)
    size = min(PASS_SIZE, (long - fixed) / each)
    assert seen.cost / 12 >= 0.7 * size / (fixed + each * size)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(**MACHINES)
def test_few_clients_are_never_refused(fixed, each, uneven):
    assert not simulate(fixed, each, uneven, clients=3, think=0.1).refused


@pytest.mark.parametrize("fixed", [0.05, 0.1])
def test_passes_that_cost_most_of_their_time_whatever_is_in_them_do_not_shrink(fixed):
    seen = simulate(fixed, 2e-5, 0.05, clients=256)
    alone = 140 / (fixed + 2e-5 * 140)  # one request a pass, of the mean cost
    assert seen.cost / 12 >= 5 * alone and seen.after(0.99) <= PATIENCE


def test_times_are_learned_from_passes_that_differ_and_follow_the_machine():
    draw, passes = random.Random(0), Passes()
    passes.learn(500, 9.0)  # a warming up
    for fixed, each in ((0.02, 1e-4), (0.05, 3e-4)):
        for _ in range(200):
            cost = draw.uniform(200, 2000)
            passes.learn(cost, fixed + each * cost)
        for cost in (100, 1000, 4000):
            assert passes.seconds(cost) == pytest.approx(fixed + each * cost, rel=0.05)


def test_what_passes_of_one_size_take_is_fixed_until_others_are_seen():
    passes = Passes()
    for _ in range(5):
        passes.learn(100, 0.1)
    assert (passes.fixed, passes.each) == (pytest.approx(0.1), pytest.approx(0.0))
    admission = Admission(PATIENCE, PASS_SIZE)
    admission.passes = passes
    assert admission.room == 200  # larger, but no leap


def test_refused_requests_are_told_to_come_when_those_before_them_are_done():
    admission = Admission(PATIENCE, PASS_SIZE)
    for cost in (100, 200, 300, 400):
        admission.passes.learn(cost, cost / 1000)  # a second for 1000
    times = [admission.again(10.0, 0.6, 500) for _ in range(4)]
    steps = [after - before for before, after in pairwise(times)]
    assert times[0] > 0 and steps == pytest.approx([0.5] * 3, rel=0.1)
    assert admission.again(100.0, 0.6, 500) == pytest.approx(times[0])  # those are long gone
    assert max(admission.again(100.0, 0.6, 500) for _ in range(200)) == 30
