"""What pretraining is worth: a recipe without its first stage, on the same labelled rows, seed by seed.

python benchmarks/pretrain.py recipes/pretrain/molecules.yaml --seeds 3

The run without has as many steps, and sees the very rows, that the tasks of the last stage had in the run with it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import unisono
from unisono.recipe import Recipe, read
from unisono.study.budget import spent
from unisono.study.variants import alone, with_settings


def scores(recipe: Recipe, task: str) -> dict[str, float]:
    """Trained if it is not yet; the scores on test rows."""
    trained = unisono.train(recipe)
    return unisono.evaluate(trained.run, split="test", tasks=[task])[task].scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path, help="a recipe whose last stage has one task")
    parser.add_argument("--seeds", type=int, default=3, help="how many: the recipe's seed and those after it")
    parser.add_argument("--metric", help="default: the task's main metric")
    parser.add_argument("--run", type=Path, default=Path("runs/pretrain"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for unisono train")
    asked = parser.parse_args()
    recipe = read(asked.recipe, overrides=asked.set)
    (task,) = recipe.stages[-1].tasks or recipe.tasks
    gains = []
    for seed in range(recipe.seed, recipe.seed + asked.seeds):
        own = with_settings(recipe, {"seed": seed, "run": str(asked.run / f"with-{seed}")})
        new = scores(own, task)
        got = spent(own.folder, own.tasks)[task]
        without = alone(
            own, task, steps=got.steps, rows=got.rows, evaluations=3, run=asked.run / f"without-{seed}"
        )  # fmt: skip
        old = scores(without, task)
        metric = asked.metric or recipe.tasks[task].metric or next(iter(new))
        gains.append(new[metric] - old[metric])
        others = " · ".join(f"{m} {old[m]:.4f} -> {new[m]:.4f}" for m in new if m != metric and "/" not in m)
        line = f"seed {seed}: {task} {metric} {old[metric]:.4f} without, {new[metric]:.4f} with"
        print(f"{line} ({gains[-1]:+.4f}); {others}", flush=True)
    spread = np.std(gains, ddof=1) if len(gains) > 1 else float("nan")
    print(f"{task} {metric}: {np.mean(gains):+.4f} on average over {len(gains)} seeds, standard deviation {spread:.4f}")


if __name__ == "__main__":
    main()
