"""A student against its teacher: scores on held-out rows, and the time that the same rows take, in turn in one process.

    python benchmarks/distilled.py runs/teacher runs/student runs/plain --rows 400 --rounds 5

Scores are of the rows that ``unisono evaluate`` scores. Time is the processor's, for single rows and for batches of 32,
on one thread; each round asks every model in turn, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

import unisono
from unisono.evaluate import main_scores
from unisono.prepare import read_tables
from unisono.train.run import open_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="the teacher first")
    parser.add_argument("--rows", type=int, default=400, help="of each task, for the times")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-scores", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = {run: unisono.load(run) for run in options.runs}
    recipe = open_recipe(options.runs[0])
    tables = read_tables(recipe, run=None)
    rows = {name: spread(splits["test"], options.rows) for name, splits in tables.rows.items()}
    scores = {} if options.no_scores else {run: scored(run) for run in options.runs}
    for size in (1, 32):
        times = {run: {task: [] for task in rows} for run in models}
        for number in range(options.rounds + 1):
            for task, own in rows.items():
                for run, model in models.items():
                    taken = seconds(model, task, own, size)
                    if number:  # the first round warms up
                        times[run][task].append(taken)
        print(f"\nprocessor time of {size} row{'s' * (size > 1)} at once, milliseconds a row; against the teacher")
        for run in models:
            print(
                f"{run.name:>24}",
                *(told(task, times, run, options.runs[0], len(rows[task])) for task in rows),
                sep="  ",
            )
    print("\nscores of held-out rows; against the teacher")
    for run, own in scores.items():
        first = scores[options.runs[0]]
        print(f"{run.name:>24}", *(f"{task} {v:.4f} ({v / first[task]:.1%})" for task, v in own.items()), sep="  ")
    print(json.dumps({run.name: own for run, own in scores.items()}))


def scored(run: Path) -> dict[str, float]:
    results = unisono.evaluate(run)
    return main_scores(unisono.load(run), {name: result.scores for name, result in results.items()})


def spread(rows, most: int) -> list:
    return [rows[i * len(rows) // most] for i in range(min(most, len(rows)))]


def seconds(model, task: str, rows: list, size: int) -> float:
    own = rows if size > 1 else rows[:: max(1, len(rows) // 100)]
    begin = time.process_time()
    for at in range(0, len(own), size):
        model.predict(task, own[at : at + size])
    return (time.process_time() - begin) / len(own)


def told(task: str, times, run: Path, first: Path, count: int) -> str:
    ratios = [a / b for a, b in zip(times[run][task], times[first][task], strict=True)]
    return f"{task} {1000 * statistics.median(times[run][task]):.2f} ({statistics.median(ratios):.3f})"


if __name__ == "__main__":
    main()
