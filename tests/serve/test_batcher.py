"""The batcher: what waits is answered together, in time, or refused in time; and no request is lost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.serve.pretend import Pretend
from unisono.runtime.questions import Question, Unanswerable
from unisono.serve.batcher import Batcher, Broken, Late, Overloaded


def label(text: str) -> list[Question]:
    return [Question("label", {"text": text})]


def say(text: str, partial: bool = False) -> list[Question]:
    return [Question("say", {"source": text}, partial=partial)]


def run(job, engine: Pretend, **settings):
    """Runs ``job(batcher)`` on an event loop, and ends the batcher."""

    async def main():
        batcher = Batcher(engine, **settings)
        try:
            return await asyncio.wait_for(job(batcher), 30)
        finally:
            engine.gate.set()
            engine.steps.release(10**6)
            await batcher.close()

    return asyncio.run(main())


async def until(true) -> None:
    while not true():
        await asyncio.sleep(0.001)


def test_what_waits_is_answered_in_one_pass_whatever_its_task():
    engine = Pretend()

    async def job(batcher):
        engine.gate.clear()
        first = asyncio.create_task(batcher.ask(label("first"), cost=1, seconds=10))
        await until(lambda: engine.asked)
        rest = [asyncio.create_task(batcher.ask(q, cost=1, seconds=10)) for q in (label("b"), say("c d"), label("e"))]
        await until(lambda: batcher.waiting == 3)
        engine.gate.set()
        return [(await one)[0] for one in (first, *rest)]

    assert run(job, engine) == [{"label": "a:first"}, {"label": "a:b"}, {"text": "c d"}, {"label": "a:e"}]
    assert [sorted(asked) for asked in engine.asked] == [["label"], ["label", "label", "say"]]


def test_a_pass_takes_no_more_than_fits_but_always_one():
    engine = Pretend()

    async def job(batcher):
        engine.gate.clear()
        asks = [
            asyncio.create_task(batcher.ask(label(str(i)), cost=c, seconds=10)) for i, c in enumerate([99, 6, 6, 3])
        ]
        await until(lambda: engine.asked and batcher.waiting == 3)
        engine.gate.set()
        return [(await one)[0]["label"] for one in asks]

    assert run(job, engine, pass_size=10) == ["a:0", "a:1", "a:2", "a:3"]
    assert [len(asked) for asked in engine.asked] == [1, 1, 2]


def test_a_long_text_holds_up_no_label():
    engine = Pretend()
    engine.steps = threading.Semaphore(0)

    async def job(batcher):
        long = asyncio.create_task(batcher.ask(say("one two three"), cost=1, seconds=20))
        await until(lambda: engine.asked)
        for text in "xyz":
            assert await batcher.ask(label(text), cost=1, seconds=10) == [{"label": f"a:{text}"}]
        assert not long.done()
        engine.steps.release(3)
        return await long

    assert run(job, engine) == [{"text": "one two three"}]


def test_partial_answers_come_as_they_grow():
    async def job(batcher):
        return [
            (a.found["text"], a.last) async for a in batcher.stream(say("one two", partial=True), cost=1, seconds=9)
        ]

    assert run(job, Pretend()) == [("one", False), ("one two", False), ("one two", True)]


def test_a_question_without_an_answer_spoils_no_other():
    async def job(batcher):
        return await batcher.ask([*label("bad"), *label("good")], cost=1, seconds=9)

    assert run(job, Pretend()) == [Unanswerable("no"), {"label": "a:good"}]


def test_a_request_whose_time_is_over_is_late_and_is_not_worked_on():
    engine = Pretend()

    async def job(batcher):
        engine.gate.clear()
        first = asyncio.create_task(batcher.ask(label("first"), cost=1, seconds=20))
        await until(lambda: engine.asked)
        with pytest.raises(Late):
            await batcher.ask(label("late"), cost=1, seconds=0.01)
        engine.gate.set()
        await first
        await batcher.ask(label("next"), cost=1, seconds=20)

    run(job, engine)
    assert engine.asked == [["label"], ["label"]]


def test_more_than_can_be_answered_in_time_is_refused_with_a_time_to_come_again():
    engine = Pretend()

    async def job(batcher):
        batcher.admission.passes.learn(1, 1.0)  # a pass takes a second
        engine.gate.clear()
        asks = [asyncio.create_task(batcher.ask(label(str(i)), cost=1, seconds=20)) for i in range(20)]
        await until(lambda: engine.asked)
        await asyncio.sleep(0.01)
        engine.gate.set()
        return await asyncio.gather(*asks, return_exceptions=True)

    found = run(job, engine, patience=6.5)
    refused = [one for one in found if isinstance(one, Overloaded)]
    assert 0 < len(refused) < 20 and all(1 <= one.retry_after <= 20 for one in refused)
    assert all(one == [{"label": f"a:{i}"}] for i, one in enumerate(found) if not isinstance(one, Overloaded))


def test_a_fault_ends_the_requests_of_its_pass_alone():
    async def job(batcher):
        with pytest.raises(Broken):
            await batcher.ask(label("break"), cost=1, seconds=20)
        return await batcher.ask(label("next"), cost=1, seconds=20)

    assert run(job, Pretend()) == [{"label": "a:next"}]


def test_a_request_is_answered_by_the_engine_that_it_met():
    old, new = Pretend("old"), Pretend("new")

    async def job(batcher):
        old.gate.clear()
        asks = [asyncio.create_task(batcher.ask(label("0"), cost=1, seconds=20))]
        await until(lambda: old.asked)
        asks += [asyncio.create_task(batcher.ask(label(str(i)), cost=1, seconds=20)) for i in range(1, 3)]
        await until(lambda: batcher.waiting == 2)
        batcher.replace(new)
        asks += [asyncio.create_task(batcher.ask(label(str(i)), cost=1, seconds=20)) for i in range(3, 5)]
        await until(lambda: batcher.waiting == 4)
        old.gate.set()
        return [(await one)[0]["label"] for one in asks]

    assert run(job, old) == ["old:0", "old:1", "old:2", "new:3", "new:4"]


def test_closing_answers_what_was_let_in():
    engine = Pretend()

    async def job():
        batcher = Batcher(engine)
        engine.gate.clear()
        asks = [asyncio.create_task(batcher.ask(q, cost=1, seconds=20)) for q in (label("a"), say("b c"), label("d"))]
        await until(lambda: engine.asked)
        closing = asyncio.create_task(batcher.close())
        await until(lambda: batcher._closing)
        with pytest.raises(Overloaded):
            await batcher.ask(label("too late"), cost=1, seconds=1)
        engine.gate.set()
        await closing
        return [(await one)[0] for one in asks]

    assert asyncio.run(job()) == [{"label": "a:a"}, {"text": "b c"}, {"label": "a:d"}]
