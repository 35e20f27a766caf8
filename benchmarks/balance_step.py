"""What balancing gradients costs: a step with per-task gradients against the plain sum, on the same rows.

    python benchmarks/balance_step.py [--tasks 3 8 16] [--tokens 512] [--rounds 5] [--peers]

MiniLM trunk, T tasks with rows of their own (``--tokens`` each), forward, backward, balance and optimizer step; word
table included. Every arm takes the same rows in turn in one process; ratio of medians to the plain sum. ``--peers``:
the same rows through TorchJD's own engine (a Jacobian through the joint graph, row by row or all rows at once by
vmap), and with gradients in lists; LibMTL is in peer_libmtl.py. vmap knows none of our own kernels: it and a plain sum
beside it run without dropout, through PyTorch's attention. Memory: what the capture holds, against T times the trunk's
parameters. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ready import loop, step

TARGETS = {3: 1.10, 8: 1.20, 16: 1.35}
ROWS = {"path": "builtin:everyday", "limit": {"train": 4000, "validation": 10}}


def tagging(count: int) -> dict[str, Any]:
    """``count`` tagging tasks, each with rows of its own."""
    return {f"t{i}": {"kind": "tag", "data": ROWS} for i in range(count)}


def swapped(base: Any, balance: str) -> Any:
    """The same loop under another balance."""
    from unisono.recipe import Recipe
    from unisono.train.balancing import Balancing

    raw = {**base.recipe.model_dump(mode="json"), "balance": balance}
    return Balancing(base.model, Recipe.model_validate(raw), base.accelerator, period=100)


def measure(count: int, tokens: int, rounds: int, methods: list[str]) -> None:
    import torch

    from unisono.memory import keep_pages

    keep_pages()
    with tempfile.TemporaryDirectory() as scratch:
        base = loop(tagging(count), tokens * count, Path(scratch))
        arms = {name: swapped(base, name) for name in ["sum", *methods]}
        times: dict[str, list[float]] = {name: [] for name in arms}
        for number in range(rounds + 1):
            rows = base.draw()
            order = list(arms) if number % 2 else list(arms)[::-1]
            for name in order:
                base.balancing = arms[name]
                begin = time.perf_counter()
                step(base, rows)
                if number:
                    times[name].append(time.perf_counter() - begin)
        middle = {name: statistics.median(found) for name, found in times.items()}
        trunk = sum(p.numel() for n, p in base.model.named_parameters() if n.startswith("trunk."))
        for name in methods:
            capture = arms[name]._capture
            held = capture.matrix.numel() * 4 + sum(
                t._values().numel() * 4 + t._indices().numel() * 8
                for rows_of in capture._sparse.values() for pieces in rows_of for t in pieces
            )  # fmt: skip
            print(
                json.dumps(
                    {
                        "benchmark": f"{name} / sum, {count} tasks of {tokens} tokens",
                        "sum_s": round(middle["sum"], 3),
                        f"{name}_s": round(middle[name], 3),
                        "ratio": round(middle[name] / middle["sum"], 3),
                        "target": f"<= {TARGETS.get(count, 1.35)}",
                        "capture_mb": round(held / 1e6, 1),
                        "capture / (T x trunk)": round(held / (count * trunk * 4), 3),
                        "threads": torch.get_num_threads(),
                    }
                ),
                flush=True,
            )


def peers(count: int, tokens: int, rounds: int, *, vmap: bool) -> None:
    """The alternatives on the same rows: TorchJD through the joint graph, and gradients kept in Python lists.

    Args:
        vmap: TorchJD's all rows at once, alone beside the plain sum, both by PyTorch's own kernels.
    """
    import torch
    from torchjd.aggregation import UPGrad
    from torchjd.autojac import backward as jacobian_backward
    from torchjd.autojac import jac_to_grad

    from unisono.inputs import Inputs, Part
    from unisono.packed import Layout, Packed
    from unisono.trunk import attention

    if vmap:
        attention._LONG = 0  # of any length, by PyTorch's kernel
    with tempfile.TemporaryDirectory() as scratch:
        base = loop(tagging(count), tokens * count, Path(scratch))
        for module in base.model.modules():
            if isinstance(module, torch.nn.Embedding):
                module.sparse = False
            if vmap and hasattr(module, "p"):
                module.p = 0.0
        shared = [p for n, p in base.model.named_parameters() if not n.startswith("heads.") and p.requires_grad]
        own = {t: list(base.model.head(t).parameters()) for t in base.examples}

        def total(passes: Any, units: Any) -> list[Any]:
            """Every task's mean loss, from one joint pack."""
            batches = {one.batches[0].task: one.batches[0] for one in passes}
            layouts = [b.inputs.layout for b in batches.values()]
            ids = torch.cat([b.inputs.parts["text"].fields["ids"] for b in batches.values()])
            together = Layout(n for layout in layouts for n in layout.lengths)
            states = base.model.states(Inputs(together, {"text": Part({"ids": ids}, together)}))
            pieces = states.values.split([layout.total for layout in layouts])
            return [
                base.model.head(t).loss(Packed(piece, b.inputs.layout), b.targets).total / units[t]
                for (t, b), piece in zip(batches.items(), pieces, strict=True)
            ]

        def joint_graph(passes: Any, units: Any, *, at_once: int | None = 1) -> None:
            losses = total(passes, units)
            heads = torch.autograd.grad(sum(losses), [p for ps in own.values() for p in ps], retain_graph=True)
            jacobian_backward(losses, inputs=shared, parallel_chunk_size=at_once)
            jac_to_grad(shared, UPGrad())
            for p, g in zip((p for ps in own.values() for p in ps), heads, strict=True):
                p.grad = g

        def lists(passes: Any, units: Any) -> None:
            rows = []
            for one in passes:  # one a task, as small as they are
                (base.model(one.batches[0]).total / units[one.batches[0].task]).backward()
                rows.append([None if p.grad is None else p.grad.clone() for p in shared])
                for p in shared:
                    p.grad = None
            matrix = torch.stack(
                [
                    torch.cat(
                        [(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(r, shared, strict=True)]
                    )
                    for r in rows
                ]
            )
            update = UPGrad()(matrix)
            for p, piece in zip(shared, update.split([p.numel() for p in shared]), strict=True):
                p.grad = piece.view_as(p)

        def plain(passes: Any, units: Any) -> None:
            for one in passes:
                (base.model(one.batches[0]).total / units[one.batches[0].task]).backward()

        arms: dict[str, Callable[[Any, Any], None]] = {"sum": plain}
        if vmap:
            arms["TorchJD's joint graph, vmap"] = partial(joint_graph, at_once=None)
        else:
            arms |= {"TorchJD's joint graph, row by row": joint_graph, "Python lists": lists}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
        for number in range(rounds + 1):
            rows = base.draw()
            for name, act in arms.items():
                base.step += 1
                begin = time.perf_counter(), time.process_time()
                base.stepper.zero_grad(set_to_none=True)
                passes = base._passes(rows)
                act(passes, base._units(passes))
                base._update()
                if number:
                    times[name].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
        middle, busy = (
            {name: statistics.median(each[at] for each in found) for name, found in times.items()} for at in (0, 1)
        )
        for name in list(arms)[1:]:
            print(
                json.dumps(
                    {
                        "benchmark": f"UPGrad by {name} / its plain sum, {count} tasks of {tokens} tokens",
                        "sum_s": round(middle["sum"], 3),
                        "s": round(middle[name], 3),
                        "ratio": round(middle[name] / middle["sum"], 3),
                        "processor ratio": round(busy[name] / busy["sum"], 3),
                        "threads": torch.get_num_threads(),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="*", default=[3, 8, 16])
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=["upgrad", "pcgrad", "mgda"])
    parser.add_argument("--peers", action="store_true", help="also TorchJD's own engine and Python lists, 8 tasks")
    arguments = parser.parse_args()
    for tasks in arguments.tasks:
        measure(tasks, arguments.tokens, arguments.rounds, arguments.methods)
    if arguments.peers:
        for vmap in (False, True):
            peers(8, arguments.tokens, max(1, arguments.rounds // 2), vmap=vmap)
