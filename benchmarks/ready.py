"""A training loop that stands ready to step, for the benchmarks that time steps. Prints nothing by itself."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any


def loop(
    tasks: dict[str, Any], tokens: int, folder: Path, balance: str | dict[str, Any] = "sum", *, share: bool = False
) -> Any:
    """A loop on MiniLM.

    Args:
        tasks: as in a recipe.
        tokens: of a step, all tasks together.
        folder: of the run; nothing is saved there by stepping.
        share: tasks that label the same rows are drawn together; else each has rows of its own.
    """
    from unisono.prepare import build_model, encode, read_tables
    from unisono.recipe import build
    from unisono.train.events import Bus
    from unisono.train.loop import Loop
    from unisono.train.processes import make_accelerator

    train = {"steps": 1000, "tokens_per_step": tokens, "evaluate_every": 10000}
    recipe = build(
        {
            "trunk": "minilm",
            "tasks": tasks,
            "train": train,
            "run": str(folder),
            "max_bad_rows": 1.0,
            "balance": balance,
            "mix": {"share_rows": share},
        }
    )
    tables = read_tables(recipe, run=folder)
    model = build_model(recipe, tables)
    examples = encode(recipe, tables, model, ("train",))
    made = Loop(recipe, tables, examples, model, folder, Bus([]), make_accelerator(recipe))
    made.model.train()
    return made


def step(made: Any, rows: dict[str, list[int]]) -> None:
    """One optimizer step on the given rows: forward, backward, balance, clip, update."""
    made.step += 1
    made._forward_backward(rows)
    made._sum_gradients()
    made._update()


def peak_mb() -> float:
    """Peak resident memory of this process. ``ru_maxrss`` would do, but on Linux it starts at that of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def tell_memory(made: Any) -> None:
    """Prints what ``memory_of`` reads: the peak, and what the heads hold of it (weights, gradients, two moments)."""
    heads = sum(p.numel() for n, p in made.model.named_parameters() if n.startswith("heads.")) * 16 / 1e6
    print(json.dumps({"peak_mb": peak_mb(), "heads_mb": heads}))


def memory_of(script: str, count: int, tokens: int, *more: str) -> dict[str, float]:
    """What ``script --memory-of COUNT`` tells, in a process of its own."""
    command = [sys.executable, script, "--memory-of", str(count), "--tokens", str(tokens), *more]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout.splitlines()[-1])


def memory_ratio(few: dict[str, float], many: dict[str, float]) -> dict[str, float]:
    """Both peaks, and their ratio without the heads that the larger has more."""
    more = many["heads_mb"] - few["heads_mb"]
    return {
        "few_mb": round(few["peak_mb"]),
        "many_mb": round(many["peak_mb"]),
        "more_heads_mb": round(more, 1),
        "ratio": round((many["peak_mb"] - more) / few["peak_mb"], 3),
    }
