"""Eight labels of the same rows: what balancing them at the trunk's output costs, and what sharing the pass saves.

    python benchmarks/shared_rows.py [--tokens 1024] [--rounds 5] [--methods upgrad pcgrad mgda]

MiniLM, eight taggers of the same sentences. Arms take turns on the same rows in one process: the plain sum, each method
with ``scope: features``, the first of them with ``scope: parameters`` (one backward pass of the trunk a task), and the
plain sum with a pass a task. Ratios of median seconds of a whole optimizer step. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ready import loop, step

LABELS = 8
ROWS = {"path": "builtin:everyday", "limit": {"train": 600, "validation": 10}}


def measure(tokens: int, rounds: int, methods: list[str]) -> None:
    from unisono.memory import keep_pages
    from unisono.recipe.types import Balance
    from unisono.train.balancing import Balancing

    keep_pages()
    with tempfile.TemporaryDirectory() as scratch:
        tasks = {f"t{i}": {"kind": "tag", "data": ROWS} for i in range(LABELS)}
        base = loop(tasks, tokens, Path(scratch), share=True)

        def balancing(method: str, scope: str) -> Balancing:
            wanted = base.recipe.model_copy(update={"balance": Balance(method=method, scope=scope)})
            return Balancing(base.model, wanted, base.accelerator, period=100)

        arms = {"sum": balancing("sum", "parameters")}
        arms |= {f"{name}, features": balancing(name, "features") for name in methods}
        arms[f"{methods[0]}, parameters"] = balancing(methods[0], "parameters")
        times: dict[str, list[float]] = {name: [] for name in [*arms, "sum, a pass a task"]}

        def timed(name: str, rows: dict[str, list[int]], number: int) -> None:
            begin = time.perf_counter()
            step(base, rows)
            if number:
                times[name].append(time.perf_counter() - begin)

        for number in range(rounds + 1):
            rows = base.draw()
            for name in list(arms) if number % 2 else list(arms)[::-1]:
                base.balancing = arms[name]
                timed(name, rows, number)
            base.balancing = arms["sum"]
            apart: dict[str, Any] = {}
            for key, own in rows.items():
                apart |= base.bundles[key].numbers(own)
            timed("sum, a pass a task", apart, number)
        middle = {name: statistics.median(found) for name, found in times.items()}
        for name in list(times)[1:]:
            target = {"target": "<= 1.15"} if "features" in name else {}
            print(
                json.dumps(
                    {
                        "benchmark": f"{name} / sum, {LABELS} labels of the same {tokens} tokens",
                        "sum_s": round(middle["sum"], 3),
                        "s": round(middle[name], 3),
                        "ratio": round(middle[name] / middle["sum"], 3),
                        **target,
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=["upgrad", "pcgrad", "mgda"])
    arguments = parser.parse_args()
    measure(arguments.tokens, arguments.rounds, arguments.methods)
