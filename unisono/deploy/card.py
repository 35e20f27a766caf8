"""card: the README.md of an exported folder."""

from __future__ import annotations

from collections.abc import Mapping

from unisono.deploy.plan import Plan
from unisono.deploy.verify import Checked


def card(planned: Plan, checked: Mapping[str, Checked]) -> str:
    """What the folder holds, and how it was checked."""
    names = ", ".join(planned.heads)
    lines = [
        f"# {names}",
        "",
        f"A Unisono model of {len(planned.heads)} tasks on one {planned.model.trunk.family} encoder, as ONNX graphs.",
        "`unisono.json` says what each file is and how outputs become predictions.",
        "",
        "| task | kind | checked on | greatest difference from PyTorch |",
        "|---|---|---|---|",
    ]
    for task, found in checked.items():
        rows = f"{found.rows} {'made-up texts' if found.made_up else 'held-out rows'}"
        lines.append(f"| {task} | {planned.model.tasks[task].kind.name} | {rows} | {found.gap:.1g} |")
    return "\n".join(lines) + "\n"
