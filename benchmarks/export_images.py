"""An image model of four tasks exported: size and time of a request, PyTorch against the graphs of each precision.

    python benchmarks/export_images.py [--recipe recipes/vision/joint.yaml] [--rows 8]

The recipe's model (by default labels, boxes and two kinds of masks over one trunk) is built and not trained: neither
size nor time depends on what it has learned, but for boxes, of which an untrained detector finds as many as it may in
every image. It is exported as by ``unisono export --precision int8 --compare``: PyTorch and every precision answer the
same held-out rows in turn, from image file to prediction, in one process with one thread each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from unisono.deploy.export import Settings, export
from unisono.deploy.measure import HEADINGS, columns
from unisono.prepare import build_model, read_tables
from unisono.recipe import read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="recipes/vision/joint.yaml")
    parser.add_argument("--rows", type=int, default=8, help="held-out rows of a task on which graphs are checked")
    asked = parser.parse_args()
    recipe = read(asked.recipe)
    torch.manual_seed(0)
    model = build_model(recipe, read_tables(recipe, run=None)).eval()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(precision="int8", compare=True, rows=asked.rows, max_drop=1.0)
        done = export(model, Path(folder) / "out", settings, source="nothing trained", recipe=recipe, told=told)
    assert done.compared is not None
    print(" | ".join(("task", *HEADINGS[:4])))
    for cost in done.compared.costs:
        print(" | ".join((cost.task, *columns(cost)[:4])))
    return 0


def told(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
