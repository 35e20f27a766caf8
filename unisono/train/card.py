"""The model card: README.md of a trained model, with its tasks, scores, data and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unisono import __version__
from unisono.model import MultiTaskModel
from unisono.recipe import Recipe


def model_card(
    recipe: Recipe,
    model: MultiTaskModel,
    rows: Mapping[str, Mapping[str, int]],
    scores: Mapping[str, Mapping[str, Mapping[str, float]]],
    step: int,
    remarks: Sequence[str] = (),
) -> str:
    """Markdown with the front matter that the Hugging Face hub reads.

    Args:
        rows: task -> split -> number of rows used.
        scores: split -> task -> metric -> value.
        step: the optimizer step of the weights.
        remarks: how settings came to be.
    """
    size = sum(p.numel() for p in model.parameters()) - model.trunk.adapter_size  # merged on saving
    lines = ["---", "library_name: unisono", "tags: [multi-task, unisono]", "---", "", f"# {recipe.name}", ""]
    lines += [
        f"One Transformer encoder ({model.trunk.family}, width {model.trunk.width}) with {len(model.tasks)} heads, "
        f"{size / 1e6:.1f} million parameters in all, trained together by Unisono {__version__}, step {step}.",
        "",
        "```python",
        "import unisono",
        'model = unisono.load("this/folder")',
        _asked(model),
        "```",
        "",
    ]
    lines += ["## Tasks", "", "| task | kind | rows (train / validation / test) | data | λ |", "|---|---|---|---|---|"]
    for name, task in model.tasks.items():
        counts = " / ".join(f"{rows.get(name, {}).get(split, 0):,}" for split in ("train", "validation", "test"))
        where = recipe.tasks[name].data.path if name in recipe.tasks else ""
        lines.append(f"| {name} | {task.kind.name} | {counts} | `{where}` | {task.weight:g} |")
    for split, results in scores.items():
        lines += ["", f"## Scores on the {split} split", "", "| task | metric | value |", "|---|---|---|"]
        for name, values in results.items():
            for metric, value in values.items():
                mark = " (main)" if metric == model.tasks[name].main(values) else ""
                lines.append(f"| {name} | {metric}{mark} | {value:.4f} |")
    lines += [
        "",
        "## Settings",
        "",
        *(line for remark in remarks for line in (remark, "")),
        "The recipe, with every default written out:",
        "",
        "```yaml",
        recipe.to_yaml().rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _asked(model: MultiTaskModel) -> str:
    """How to ask the model, as Python."""
    if model.text_tasks:
        return 'model.predict_all("A sentence.")'
    name, task = next(iter(model.tasks.items()))
    row = ", ".join(f'"{role}": ...' for role in task.inputs)
    return f'model.predict("{name}", [{{{row}}}])'
