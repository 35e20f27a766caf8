"""Memory of balancing when few gradients are held at a time: 16 tasks against 4, and what the step then costs.

    python benchmarks/hold_memory.py [--tokens 256] [--hold 4]

MiniLM, tagging tasks with rows of their own, ``upgrad``. Peak memory of each count in a process of its own, less
weights, gradients and optimizer state of the additional heads; with ``balance.hold`` and without. Seconds of a step
with and without it, in turn in one process. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from many_tasks import tagging
from ready import loop, memory_of, memory_ratio, step, tell_memory

FEW, MANY = 4, 16


def memory(count: int, tokens: int, hold: int) -> None:
    balance = {"method": "upgrad", **({"hold": hold} if hold else {})}
    with tempfile.TemporaryDirectory() as scratch:
        made = loop(tagging(count), tokens * count, Path(scratch), balance)
        for _ in range(3):
            step(made, made.draw())
        tell_memory(made)


def seconds(tokens: int, hold: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        made = loop(tagging(MANY), tokens * MANY, Path(scratch), "upgrad")
        found: dict[int | None, list[float]] = {None: [], hold: []}
        for number in range(rounds + 1):
            rows = made.draw()
            for held in found:
                made.balancing.hold = held
                begin = time.perf_counter()
                step(made, rows)
                if number:
                    found[held].append(time.perf_counter() - begin)
        whole, few = (statistics.median(times) for times in found.values())
        name = f"step of {MANY} tasks, {hold} gradients in memory / all"
        print(json.dumps({"benchmark": name, "all_s": round(whole, 3), "hold_s": round(few, 3), "ratio": few / whole}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--hold", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        memory(arguments.memory_of, arguments.tokens, arguments.hold)
    else:
        seconds(arguments.tokens, arguments.hold, arguments.rounds)
        for hold in (arguments.hold, 0):
            both = [memory_of(__file__, count, arguments.tokens, "--hold", str(hold)) for count in (FEW, MANY)]
            name = f"peak memory, {MANY} tasks / {FEW} tasks, {hold or 'all'} gradients in memory"
            print(json.dumps({"benchmark": name, **memory_ratio(*both)}))
