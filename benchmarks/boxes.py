"""A guess at each patch against queries that share out objects: the two decoders of `detect`, on the same steps.

python benchmarks/boxes.py --steps 600      BCCD of recipes/vision/joint.yaml alone, 7 images a step
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import unisono
from unisono.recipe import read
from unisono.study.variants import alone, with_settings

RECIPE = Path(__file__).parents[1] / "recipes" / "vision" / "joint.yaml"
TASK = "cells"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[600])
    parser.add_argument("--rows", type=int, default=7, help="images a step")
    parser.add_argument("--run", type=Path, default=Path("runs/boxes"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for unisono train")
    asked = parser.parse_args()
    recipe = read(RECIPE, overrides=asked.set)
    for steps in asked.steps:
        found = {}
        for decoder in ("dense", "set"):
            run = asked.run / f"{decoder}-{steps}"
            single = alone(recipe, TASK, steps=steps, rows=steps * asked.rows, evaluations=2, run=run)
            began = time.process_time()
            trained = unisono.train(with_settings(single, {f"tasks.{TASK}.head.decoder": decoder}))
            spent = time.process_time() - began
            scores = unisono.evaluate(trained.run, split="test")[TASK].scores
            found[decoder] = scores["map50"]
            print(f"{steps} steps, {decoder}: {scores} in {spent / 60:.1f} minutes of processor time", flush=True)
        shown = ", ".join(f"{decoder} {score:.3f}" for decoder, score in found.items())
        print(f"{steps} steps, mAP@50: {shown}", flush=True)


if __name__ == "__main__":
    main()
