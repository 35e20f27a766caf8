"""Errors of recipes/medicine/promoters.yaml over ten folds: each sequence is judged by a model that has not seen it.

python benchmarks/promoter_folds.py      40 seconds a shuffle on 1 core
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import unisono
from unisono.recipe import read

RECIPE = Path(__file__).parents[1] / "recipes" / "medicine" / "promoters.yaml"


def errors(seed: int, folds: int, settings: list[str], scratch: Path) -> tuple[int, int]:
    """Wrong answers over all folds, and how many there were. The seed shuffles the rows and trains the models."""
    recipe = read(RECIPE)
    rows = Path(recipe.tasks["promoter"].data.path).read_text(encoding="utf-8").splitlines()
    random.Random(seed).shuffle(rows)
    wrong = 0
    for fold in range(folds):
        for name, part in {
            "train": [r for i, r in enumerate(rows) if i % folds != fold],
            "test": rows[fold::folds],
        }.items():
            (scratch / f"{name}.data").write_text("\n".join(part) + "\n", encoding="utf-8")
        here = [
            f"run={scratch / 'run'}",
            f"cache={scratch / 'cache'}",
            f"seed={seed}",
            f"tasks.promoter.data.path={scratch}",
            "tasks.promoter.data.splits.train=train.data",
            "tasks.promoter.data.splits.test=test.data",
        ]
        trained = unisono.train(RECIPE, overrides=[*here, *settings], fresh=True)
        found = unisono.evaluate(trained.run)["promoter"].scores
        wrong += round((1 - found["accuracy"]) * found["rows"])
        print(f"seed {seed} fold {fold + 1}/{folds}: {wrong} wrong so far", flush=True)
    return wrong, len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="ten folds this often, each with its own seed")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for unisono train")
    asked = parser.parse_args()
    for seed in range(1, asked.repeats + 1):
        with tempfile.TemporaryDirectory() as scratch:
            wrong, of = errors(seed, asked.folds, asked.set, Path(scratch))
        print(f"seed {seed}: {wrong} errors of {of}", flush=True)


if __name__ == "__main__":
    main()
