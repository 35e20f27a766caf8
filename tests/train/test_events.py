"""Events reach every listener in order; the journal keeps each step once and whole; the display shows what happened."""

from __future__ import annotations

import builtins
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from unisono.train.events import Bus, Evaluated, Finished, Left, Noted, Saved, Skipped, Staged, Started, Stepped
from unisono.train.journal import Journal, read
from unisono.train.progress import Progress
from unisono.train.tensorboard import TensorBoard

TASKS = {"ner": {"kind": "tag", "rows": {"train": 9}}, "en-de": {"kind": "translate"}}
STARTED = Started("runs/x", TASKS, 20, 22_000_000, "cpu", "fp32")
EVALUATED = Evaluated(10, "validation", {"ner": {"f1": 0.75}}, {"ner": 0.75}, 0.75, True)
SKIPPED = Skipped(11, "ner", [("train.txt", 812), ("b.txt", 2)], "the loss is not finite")
STAGED = Staged(12, 2, "all", ["ner", "en-de"], ["embeddings", "trunk.0"], {"trunk": 0.5, "heads": 1.0})
LEFT = Left(15, "ner", "no better than 0.75 for 3 evaluations in a row", "stopped")
FINISHED = Finished(20, 3700.0, "done", "runs/x/model", {"ner": {"f1": 0.75}})


def step(number: int, loss: float = 1.0) -> Stepped:
    return Stepped(
        number, number / 20, {"ner": loss}, {"ner": 7}, {"ner": 1.0}, {"ner": 3}, 4096, 0.5, {"trunk": 1e-4}, 2.0
    )


EVERYTHING = [
    STARTED, step(9), EVALUATED, Saved(10, "c/step-00000010", True), step(11, math.nan), SKIPPED,
    Noted(12, "warning", "out of memory: [halved]"), STAGED, LEFT, FINISHED,
]  # fmt: skip


class Heard:
    def __init__(self, fails: bool = False) -> None:
        self.events, self.fails, self.closed = [], fails, False

    def __call__(self, event) -> None:
        self.events.append(event)
        if self.fails:
            raise RuntimeError("no")

    def close(self) -> None:
        self.closed = True
        if self.fails:
            raise RuntimeError("no")


def test_a_failing_listener_is_reported_once_and_stops_nothing():
    bad, good = Heard(fails=True), Heard()
    bus = Bus([bad, good])
    for number in (1, 2, 3):
        bus(step(number))
    bus.close()
    assert [e.step for e in good.events if isinstance(e, Stepped)] == [1, 2, 3]
    (note,) = (e for e in good.events if isinstance(e, Noted))
    assert note.level == "warning" and "Heard failed (RuntimeError: no)" in note.text
    assert len([e for e in bad.events if isinstance(e, Stepped)]) == 3
    assert bad.closed and good.closed


def test_a_lone_failing_listener_is_logged_once(caplog):
    bus = Bus([Heard(fails=True)])
    bus(step(1))
    bus(step(2))
    assert len(caplog.records) == 1 and "RuntimeError: no" in caplog.text


def test_an_event_said_while_another_is_passed_on_comes_after_it():
    """A signal handler may speak in the middle of a listener: every listener still hears both in the same order."""
    first, last = Heard(), Heard()

    class Speaks(Heard):
        def __call__(self, event) -> None:
            if isinstance(event, Stepped):
                bus(Noted(event.step, "info", "SIGTERM"))

    bus = Bus([first, Speaks(), last])
    bus(step(1))
    assert [type(e) for e in first.events] == [type(e) for e in last.events] == [Stepped, Noted]


def test_an_interrupt_is_not_swallowed():
    class Interrupted(Heard):
        def __call__(self, event) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bus([Interrupted()])(step(1))


def test_the_journal_is_strict_json_lines_of_every_event(tmp_path):
    journal = Journal(tmp_path / "events.jsonl")
    for event in [*EVERYTHING, step(np.int64(20), np.float32(0.5))]:
        journal(event)
    journal.close()

    def refuse(constant):
        raise ValueError(constant)

    lines = [json.loads(x, parse_constant=refuse) for x in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [x["event"] for x in lines] == [type(e).__name__.lower() for e in EVERYTHING] + ["stepped"]
    assert lines[4]["losses"] == {"ner": None}  # NaN
    assert lines[5]["rows"] == [["train.txt", 812], ["b.txt", 2]]
    assert (lines[-1]["step"], lines[-1]["losses"]) == (20, {"ner": 0.5})
    assert list(read(tmp_path / "events.jsonl")) == lines


@pytest.mark.parametrize("torn", [b"", b'{"event": "stepped", "step": 7', b"\0\0\0", b'{"event": "step\n'], ids=repr)
def test_a_resumed_journal_has_each_step_once(tmp_path, torn):
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    for event in (STARTED, *map(step, range(1, 7)), FINISHED):
        journal(event)
    journal.close()
    path.write_bytes(path.read_bytes() + torn)
    for _ in range(2):  # resumed, killed at once, resumed
        journal = Journal(path, step=4)
        journal(step(5))
        journal.close()
        path.write_bytes(path.read_bytes() + torn)
    steps = [e["step"] for e in read(path) if e["event"] == "stepped"]
    assert steps == [1, 2, 3, 4, 5]
    assert next(read(path))["event"] == "started"
    Journal(path).close()
    assert path.read_bytes() == b""  # from the beginning: nothing is kept


WRITER = """
import sys
from pathlib import Path
from unisono.train.events import Noted
from unisono.train.journal import Journal
journal = Journal(Path(sys.argv[1]))
for i in range(10**9):
    journal(Noted(i, "info", "x" * 5000))
    if i == 50:
        print(flush=True)
"""


def test_a_killed_writer_leaves_whole_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    Journal(path, step=10**9).close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [x["step"] for x in lines] == list(range(len(lines))) and len(lines) > 50


def shown(console: Console, events) -> str:
    bus = Bus([Progress(console)])
    with console.capture() as capture:
        for event in events:
            bus(event)
        bus.close()
    return capture.get()


def test_plain_progress_tells_the_story_in_lines():
    text = shown(Console(force_terminal=False, width=40), EVERYTHING)
    assert text.splitlines() == [
        "runs/x: 2 tasks, 22.0 M parameters, cpu, fp32",
        f"step 9/20  loss  ner 1  8,192 tokens/s  {text.splitlines()[1].split('  ')[-1]}",
        "step 10  validation  ner f1 0.75  (best)",
        'step 11 skipped: task "ner": the loss is not finite (train.txt row 812, b.txt row 2)',
        "out of memory: [halved]",
        'stage 2 "all": ner, en-de; frozen: embeddings, trunk.0',
        'step 15  task "ner" is stopped: no better than 0.75 for 3 evaluations in a row',
        "done after 20 steps, 1:01:40",
    ]


def test_without_validation_rows_there_is_nothing_to_say_of_them():
    unseen = Evaluated(10, "validation", {}, {}, math.nan, False)
    assert "validation" not in shown(Console(force_terminal=False), [STARTED, unseen])


def test_live_progress_shows_tasks_losses_metrics_and_best():
    text = shown(Console(force_terminal=True, width=100, color_system=None), EVERYTHING)
    last = text[text.rindex("task") :]
    for part in ("ner", "tag", "1.0000", "0.7500", "en-de", "translate", "step 11/20", "tokens/s", "at step 10"):
        assert part in last
    assert "[halved]" in text and "\x1b[?25h" in text  # the cursor is back


def test_a_crash_gives_the_terminal_back():
    text = shown(Console(force_terminal=True, width=100, color_system=None), EVERYTHING[:2])
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_tensorboard_has_the_curves_and_forgets_undone_steps(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    resumed = Started(STARTED.run, TASKS, 20, 1, "cpu", "fp32", resumed_from=10)
    for events in ([*EVERYTHING, step(12, 5.0)], [resumed, step(11, 3.0)]):
        board = TensorBoard(tmp_path)
        for event in events:
            board(event)
        board.close()
    curves = EventAccumulator(str(tmp_path)).Reload()
    assert {"loss/ner", "weight/ner", "lr/trunk", "step/gradient_norm", "validation/ner/f1"} <= set(
        curves.Tags()["scalars"]
    )
    assert [(s.step, s.value) for s in curves.Scalars("loss/ner")] == [(9, 1.0), (11, 3.0)]


def test_without_tensorboard_the_error_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'unisono\[tensorboard\]'"):
        TensorBoard(tmp_path)
