"""card: the README.md of an exported folder."""

from __future__ import annotations

from unisono.deploy.measure import HEADINGS, Compared, columns, threads
from unisono.deploy.plan import Plan
from unisono.deploy.variant import Target, Variant

_WEIGHTS = {
    "fp32": "Weights are in 32 bits.",
    "fp16": "Weights are stored in 16 bits and computed with in 32.",
    "int8": "Matrices are in 8 bits, and so are the products with them; the rest is in 32.",
}


def card(planned: Plan, variant: Variant, target: Target, compared: Compared | None) -> str:
    """What the export holds, and how it was checked."""
    form = "packages of torch.export" if target == "torch" else "ONNX graphs"
    lines = [
        f"# {', '.join(planned.heads)}",
        "",
        f"A Unisono model of {len(planned.heads)} tasks on one {planned.model.trunk.family} encoder, as {form}."
        f" {_WEIGHTS[variant.precision]} `unisono.json` says what each file is and how outputs become predictions.",
        "",
        "| task | kind | checked on | greatest difference from PyTorch | metric | PyTorch | exported |",
        "|---|---|---|---:|---|---:|---:|",
    ]
    for task, found in variant.checked.items():
        rows = f"{found.rows} {'made-up rows' if found.made_up else 'held-out rows'}"
        score = variant.scores.get(task)
        told = f"{score.metric} | {score.model:.4f} | {score.exported:.4f}" if score else "| |"
        lines.append(f"| {task} | {planned.model.tasks[task].kind.name} | {rows} | {found.gap:.1g} | {told} |")
    kept = [f"`{graph}`: `{node}`" for graph, nodes in variant.kept.items() for node in nodes]
    if kept:
        lines += ["", "Matrices that stayed in fp32, because a task lost too much without them:", ""]
        lines += [f"- {one}" for one in kept]
    if compared is not None:
        lines += ["", f"Variants, timed in turn with {threads(compared)}, from text to prediction:", ""]
        lines += [f"| task | {' | '.join(HEADINGS)} |", "|---|---|---:|---:|---:|---|---:|"]
        lines += [f"| {' | '.join((cost.task, *columns(cost)))} |" for cost in compared.costs]
    return "\n".join(lines) + "\n"
