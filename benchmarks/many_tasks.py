"""What a task costs among many: a step of 100 tasks against one of 10, per task, and the peak memory of both.

    python benchmarks/many_tasks.py [--tokens 256] [--rounds 3]

MiniLM, tagging tasks with rows of their own, ``--tokens`` each in a step. Both loops take turns in one process; ratio
of median seconds per task. Memory: peak of each in a process of its own after as many passes, less weights, gradients
and optimizer state of the 90 more heads. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ready import loop, memory_of, memory_ratio, step, tell_memory

ROWS = {"path": "builtin:everyday", "limit": {"train": 600, "validation": 10}}
FEW, MANY = 10, 100


def tagging(count: int) -> dict[str, Any]:
    return {f"t{i}": {"kind": "tag", "data": ROWS} for i in range(count)}


def times(tokens: int, rounds: int) -> None:
    from unisono.memory import keep_pages

    keep_pages()
    with tempfile.TemporaryDirectory() as scratch:
        loops = {count: loop(tagging(count), tokens * count, Path(scratch)) for count in (FEW, MANY)}
        found: dict[int, list[float]] = {count: [] for count in loops}
        for number in range(rounds + 1):
            for count, made in loops.items():
                for _ in range(MANY // count):
                    rows = made.draw()
                    begin = time.perf_counter()
                    step(made, rows)
                    if number:
                        found[count].append((time.perf_counter() - begin) / count)
        middle = {count: statistics.median(seconds) for count, seconds in found.items()}
        print(
            json.dumps(
                {
                    "benchmark": f"seconds a task, {MANY} tasks / {FEW} tasks",
                    "few_s": round(middle[FEW], 4),
                    "many_s": round(middle[MANY], 4),
                    "ratio": round(middle[MANY] / middle[FEW], 3),
                    "target": "<= 1.1",
                }
            )
        )


def memory(count: int, tokens: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        made = loop(tagging(count), tokens * count, Path(scratch))
        for _ in range(2 * MANY // count):
            step(made, made.draw())
        tell_memory(made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        memory(arguments.memory_of, arguments.tokens)
    else:
        times(arguments.tokens, arguments.rounds)
        ratio = memory_ratio(*(memory_of(__file__, count, arguments.tokens) for count in (FEW, MANY)))
        print(json.dumps({"benchmark": f"peak memory, {MANY} tasks / {FEW} tasks", **ratio}))
