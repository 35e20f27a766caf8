"""An export whose rows leave early against the same export without: the task's score, and the processor's time.

    unisono exits runs/teacher --task sst2
    python benchmarks/leaving.py runs/teacher sst2 --precision int8 --rows 872 --rounds 5

Held-out rows, in batches as a server packs them and one at a time, on one thread. Each round asks all in turn, and
ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from unisono.deploy.exits import NEVER, load
from unisono.deploy.export import Settings, export
from unisono.prepare import read_tables
from unisono.runtime import Runtime
from unisono.train.run import open_recipe

LEVELS = (None, 0.99, 0.95, 0.9, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("task")
    parser.add_argument("--precision", choices=["fp32", "fp16", "int8"], default="int8")
    parser.add_argument("--rows", type=int, default=872)
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    model = load(told.run, confident=NEVER)
    recipe = open_recipe(told.run)
    recipe = recipe.model_copy(update={"tasks": {told.task: recipe.tasks[told.task]}})
    held = read_tables(recipe, run=None).rows[told.task]["test"]
    rows = [held[i * len(held) // told.rows] for i in range(told.rows)] if told.rows < len(held) else list(held)
    kind = model.tasks[told.task].kind
    asked = [{role: row[role] for role in kind.inputs if row.get(role) is not None} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        place = export(model, Path(folder) / "out", Settings((told.task,), told.precision), source="benchmark").path
        arms = {level: Runtime.load(place, threads=1, confident=level) for level in LEVELS}
        taken = {size: {level: list[float]() for level in arms} for size in (32, 1)}
        for number in range(told.rounds + 1):
            for size, some in ((32, asked), (1, asked[::8])):
                for level, runtime in arms.items():
                    begin = time.process_time()
                    for at in range(0, len(some), size):
                        runtime.predict(told.task, some[at : at + size])
                    if number:  # the first round warms up
                        taken[size][level].append((time.process_time() - begin) / len(some))
        out = []
        for level, runtime in arms.items():
            found = runtime.predict(told.task, asked)
            scores = kind.score(found, rows)
            metric = model.tasks[told.task].main(scores)
            layers = statistics.mean(p["layers"] for p in found) if level is not None else None
            ratios = {
                size: statistics.median(own / whole for own, whole in zip(t[level], t[None], strict=True))
                for size, t in taken.items()
            }
            out.append({"confident": level, metric: round(scores[metric], 4), "layers": layers, "time": ratios})
            print(f"confident {level}: {metric} {scores[metric]:.4f}", *(f"x{s}: {r:.2f}" for s, r in ratios.items()))
    print(json.dumps({"rows": len(rows), "precision": told.precision, "levels": out}, indent=1))


if __name__ == "__main__":
    main()
