"""What joining costs: one joint three-task step against three single-task steps, and the memory of 8 tasks against 1.

    python benchmarks/joint_step.py [--rounds 7] [--tokens 4096]

MiniLM trunk, the quickstart's three tasks. A joint step is one optimizer step of all tasks' rows; the single steps
are three models, each with its own trunk and one head, stepped on the same rows. Arms take turns in one process;
ratio of medians. Memory: peak of a step with 8 equal tasks (one share of the tokens each) against 1 task with that
share, each measured in a process of its own after as many passes, less the weights, gradients and optimizer state of
the 7 more heads.
Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from ready import loop, memory_of, memory_ratio, step, tell_memory

ROWS = {"path": "builtin:everyday", "limit": {"train": 2000, "validation": 10}}
TASKS = {
    "intent": {"kind": "classify", "data": ROWS, "columns": {"label": "intent"}},
    "slots": {"kind": "tag", "data": ROWS},
    "en-de": {
        "kind": "translate",
        "data": ROWS,
        "source": "text",
        "target": "german",
        "head": {"layers": 2, "width": 192, "heads": 6, "vocabulary": 1500},
    },
}


def step_ratio(tokens: int, rounds: int) -> None:
    from unisono.memory import keep_pages

    keep_pages()
    with tempfile.TemporaryDirectory() as scratch:
        joint = loop(TASKS, tokens, Path(scratch))
        singles = {name: loop({name: task}, tokens, Path(scratch)) for name, task in TASKS.items()}
        times: dict[str, list[float]] = {"joint": [], "single": []}
        for number in range(rounds + 1):
            drawn = joint.draw()

            def joint_step(drawn: dict[str, list[int]] = drawn) -> None:
                step(joint, drawn)

            def single_steps(drawn: dict[str, list[int]] = drawn) -> None:
                for name, rows in drawn.items():
                    step(singles[name], {name: rows})

            arms = [("joint", joint_step), ("single", single_steps)]
            for arm, act in arms if number % 2 else arms[::-1]:
                begin = time.perf_counter()
                act()
                if number:
                    times[arm].append(time.perf_counter() - begin)
        middle = {arm: statistics.median(found) for arm, found in times.items()}
        print(
            json.dumps(
                {
                    "benchmark": "joint step / three single steps",
                    "tokens": tokens,
                    "joint_s": round(middle["joint"], 3),
                    "single_s": round(middle["single"], 3),
                    "ratio": round(middle["joint"] / middle["single"], 3),
                    "target": "<= 1.03",
                }
            )
        )


def measure_memory(count: int, tokens: int) -> None:
    tasks = {f"t{i}": TASKS["intent"] for i in range(count)}
    with tempfile.TemporaryDirectory() as scratch:
        made = loop(tasks, tokens * count, Path(scratch))
        for _ in range(24 // count):  # as many passes whatever the count
            made._step()
        tell_memory(made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        measure_memory(arguments.memory_of, arguments.tokens)
    else:
        step_ratio(arguments.tokens, arguments.rounds)
        ratio = memory_ratio(*(memory_of(__file__, count, arguments.tokens) for count in (1, 8)))
        print(json.dumps({"benchmark": "peak memory, 8 equal tasks / 1 task", **ratio, "target": "<= 1.1"}))
