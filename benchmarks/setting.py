"""What a setting is worth: a recipe without it and with it, seed by seed, on the same rows.

python benchmarks/setting.py recipes/nlp/glue_five.yaml --tasks sst2 --set tasks.sst2.data.ratio.validation=0.2 \
    --change tasks.sst2.head.r_drop=1 --seeds 3 --split validation

Both runs have as many steps, which is not as much time where a setting costs some: it is printed beside the scores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import unisono
from unisono.evaluate import main_scores
from unisono.recipe import Recipe, read


def scores(recipe: Recipe, split: str) -> tuple[dict[str, float], float]:
    """Trained if it is not yet: task -> main score, of which more is better, and the seconds that training took."""
    began = time.process_time()
    trained = unisono.train(recipe)
    took = time.process_time() - began
    found = {task: one.scores for task, one in unisono.evaluate(trained.run, split=split).items()}
    return main_scores(unisono.load(trained.run), found), took


def only(recipe: Recipe, tasks: list[str] | None) -> Recipe:
    """The recipe with some of its tasks, without its stages."""
    if not tasks:
        return recipe
    own = {name: recipe.tasks[name] for name in tasks}
    return recipe.model_copy(update={"tasks": own, "beside": recipe.others(own), "stages": []})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--change", action="append", required=True, metavar="KEY=VALUE", help="the setting; repeatable")
    parser.add_argument("--tasks", nargs="*", help="only these of the recipe's, all from the first step on")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--run", type=Path, default=Path("runs/setting"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of both")
    asked = parser.parse_args()
    gains: dict[str, list[float]] = {}
    for seed in range(1, asked.seeds + 1):
        arms = {}
        for arm, changes in (("without", []), ("with", asked.change)):
            own = [*asked.set, *changes, f"seed={seed}", f"run={asked.run / f'{arm}-{seed}'}"]
            arms[arm] = scores(only(read(asked.recipe, overrides=own), asked.tasks), asked.split)
        (old, before), (new, after) = arms["without"], arms["with"]
        for task in old:
            gains.setdefault(task, []).append(new[task] - old[task])
        told = " · ".join(f"{task} {old[task]:.4f} -> {new[task]:.4f}" for task in old)
        print(f"seed {seed}: {told}; processor time {before:,.0f} -> {after:,.0f} s", flush=True)
    for task, own in gains.items():
        spread = np.std(own, ddof=1) if len(own) > 1 else float("nan")
        print(f"{task}: {np.mean(own):+.4f} on average over {len(own)} seeds, standard deviation {spread:.4f}")


if __name__ == "__main__":
    main()
