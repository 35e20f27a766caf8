"""CoNLL-2003 and IMDB learned together, one epoch each, against two padded single-task Hugging Face loops.

    UNISONO_DATA=... python benchmarks/joint_ner_imdb.py [--peer hf_single_task.py]

Ours: one MiniLM with both heads, IMDB cut at 128 tokens, one epoch of both; seconds of training, scores on CoNLL
valid and the IMDB test rows. The peer script is what a user does today, one model a task: AutoModelFor... with
dynamic padding to the longest of 32 random rows; it is run for the same number of rows (one epoch: 439 and 125 steps
of 32) where --peer names it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def ours(data: Path, settings: list[str]) -> dict[str, float]:
    import unisono

    recipe = {
        "trunk": "minilm",
        "tasks": {
            "sentiment": {
                "kind": "classify",
                "data": {"path": str(data / "sentiment/imdb/aclImdb"), "ratio": {"validation": 0}},
                "max_length": 128,
            },
            "ner": {
                "kind": "tag",
                "data": str(data / "ner/conll2003"),
                "columns": {"tokens": 0, "tags": 3},
                "max_length": 128,
            },
        },
        "train": {
            "epochs": 1,
            "tokens_per_step": 2048,
            "trunk_lr": 2e-4,
            "head_lr": 5e-4,
            "evaluate_every": 100000,
        },
    }
    with tempfile.TemporaryDirectory() as scratch:
        done = unisono.train(recipe, overrides=[f"run={scratch}/run", *settings])
        steps = [json.loads(line) for line in (done.run / "events.jsonl").read_text().splitlines()]
        seconds = sum(e["seconds"] for e in steps if e["event"] == "stepped")
        results = unisono.evaluate(done.run)
    tokens = sum(e["tokens"] for e in steps if e["event"] == "stepped")
    return {
        "seconds": round(seconds, 1),
        "tokens_per_s": round(tokens / seconds),
        "f1": round(results["ner"].scores["f1"], 4),
        "accuracy": round(results["sentiment"].scores["accuracy"], 4),
    }


def peer(script: Path, task: str, folder: Path, steps: int) -> dict[str, float]:
    command = [sys.executable, str(script), task, str(folder), "--steps", str(steps)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="the single-task loop to measure against")
    parser.add_argument("--set", action="append", default=[], help="override of our recipe")
    arguments = parser.parse_args()
    data = Path(os.environ["UNISONO_DATA"])
    found = ours(data, arguments.set)
    print(json.dumps({"arm": "unisono, joint", **found}), flush=True)
    if arguments.peer:
        ner = peer(arguments.peer, "ner", data / "ner/conll2003", 439)
        imdb = peer(arguments.peer, "imdb", data / "sentiment/imdb/aclImdb", 125)
        seconds = ner["seconds"] + imdb["seconds"]
        print(json.dumps({"arm": "two loops", "seconds": seconds, "f1": ner["score"], "accuracy": imdb["score"]}))
        print(json.dumps({"faster": round(seconds / found["seconds"], 2), "target": ">= 2.4"}))


if __name__ == "__main__":
    main()
