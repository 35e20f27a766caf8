"""An image model of four tasks exported: size, and time of one answer, PyTorch against the graphs in fp32 and int8.

    python benchmarks/export_images.py [--recipe recipes/vision/joint.yaml] [--rows 15] [--rounds 3]

The recipe's model (by default labels, boxes and two kinds of masks over one trunk) is built and not trained: neither
size nor time depends on what it has learned, but for boxes, of which an untrained detector finds as many as it may in
every image. All arms answer each of the same held-out rows in turn, from image file to prediction, in one process with
one thread each, and so ``--rounds`` times after one to warm up. Told is the median, by the clock and of the processor.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.plan import plan
from unisono.deploy.quantize import to_int8
from unisono.deploy.rows import Data, spread
from unisono.deploy.scores import asked_of, in_memory
from unisono.prepare import build_model, read_tables
from unisono.recipe import read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="recipes/vision/joint.yaml")
    parser.add_argument("--rows", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = read(told.recipe)
    model = build_model(recipe, read_tables(recipe, run=None)).eval()
    planned = plan(model)
    fp32 = {graph.name: to_onnx(graph) for graph in planned.graphs()}
    int8 = {name: to_int8(proto) for name, proto in fp32.items()}
    print("graphs are made", file=sys.stderr)
    arms: dict[str, Callable[..., Any]] = {
        "PyTorch": model.predict,
        "fp32": in_memory(planned, fp32, "fp32", 1).predict,
        "int8": in_memory(planned, int8, "int8", 1).predict,
    }
    sizes = {"PyTorch": sum(p.numel() * p.element_size() for p in model.parameters())}
    sizes |= {name: sum(p.ByteSize() for p in protos.values()) for name, protos in (("fp32", fp32), ("int8", int8))}
    print(" · ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()))
    for task, held in Data.of(recipe, model, list(model.tasks)).held.items():
        rows = [asked_of(planned, task, held.rows[at]) for at in spread(len(held.rows), told.rows)]
        clock, processor = timed(arms, task, rows, told.rounds)
        for name in arms:
            print(f"{task:8} {name:8} p50 {clock[name] * 1e3:7.1f} ms, processor {processor[name] * 1e3:7.1f} ms")
    return 0


def timed(
    arms: dict[str, Callable[..., Any]], task: str, rows: list[Any], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The median seconds of one answer of each arm, by the clock and of the processor."""
    clock, processor = defaultdict(list), defaultdict(list)
    for number in range(rounds + 1):
        for row in rows:
            for name, answer in arms.items():
                began, used = time.perf_counter(), time.process_time()
                answer(task, [row])
                if number:
                    clock[name].append(time.perf_counter() - began)
                    processor[name].append(time.process_time() - used)
    median = statistics.median
    return {name: median(clock[name]) for name in arms}, {name: median(processor[name]) for name in arms}


if __name__ == "__main__":
    raise SystemExit(main())
