"""Three answers from one trunk pass against three models, one after another.

    python benchmarks/predict_all.py [--rounds 7] [--sentences 64]

One MiniLM with three text tasks (intent and topic classifiers, a tagger) asked by ``predict_all``; against three
models of the same encoder with one head each, asked by ``predict`` in turn. As in a server, each request is one
sentence; a second line has them in one batch. Heads are untrained: speed does not depend on what they say. Arms take
turns in one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = {"path": "builtin:everyday", "limit": {"train": 400, "validation": 64}}
TASKS = {
    "intent": {"kind": "classify", "data": DATA, "columns": {"label": "intent"}},
    "topic": {"kind": "classify", "data": DATA, "columns": {"label": "intent"}},
    "slots": {"kind": "tag", "data": DATA},
}


def model(tasks: dict[str, Any], folder: Path) -> Any:
    from unisono.prepare import build_model, read_tables
    from unisono.recipe import build

    recipe = build({"trunk": "minilm", "tasks": tasks, "run": str(folder), "max_bad_rows": 1.0})
    return build_model(recipe, read_tables(recipe, run=folder)).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sentences", type=int, default=64)
    arguments = parser.parse_args()
    from unisono.data.everyday import everyday

    texts = [row["text"] for row in everyday("test", 1)][: arguments.sentences]
    with tempfile.TemporaryDirectory() as scratch:
        joint = model(TASKS, Path(scratch))
        single = {name: model({name: task}, Path(scratch)) for name, task in TASKS.items()}

    def ask(name: str, sentences: list[str]) -> None:
        rows = [{"tokens": s.split()} for s in sentences] if name == "slots" else sentences
        single[name].predict(name, rows)

    def one_by_one(act: Callable[[list[str]], Any]) -> None:
        for text in texts:
            act([text])

    def three(sentences: list[str]) -> None:
        for name in single:
            ask(name, sentences)

    for how, run in (("one sentence a request", one_by_one), ("one batch", lambda act: act(texts))):
        times: dict[str, list[float]] = {"joint": [], "single": []}
        arms = [("joint", joint.predict_all), ("single", three)]
        for number in range(arguments.rounds + 1):
            for arm, act in arms if number % 2 else arms[::-1]:
                begin = time.perf_counter()
                run(act)
                if number:
                    times[arm].append(time.perf_counter() - begin)
        middle = {arm: statistics.median(found) for arm, found in times.items()}
        print(
            json.dumps(
                {
                    "benchmark": "predict_all / three models",
                    "how": how,
                    "sentences": len(texts),
                    "joint_per_s": round(len(texts) / middle["joint"], 1),
                    "single_per_s": round(len(texts) / middle["single"], 1),
                    "faster": round(middle["single"] / middle["joint"], 2),
                    "target": ">= 2.5",
                }
            )
        )


if __name__ == "__main__":
    main()
