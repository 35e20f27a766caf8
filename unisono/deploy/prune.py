"""prune: a model without the heads, units and layers that matter least; its matrices are smaller, not masked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unisono import files
from unisono.deploy.importance import Scores, importance
from unisono.deploy.rows import spread
from unisono.model import MultiTaskModel
from unisono.prepare import encode, read_tables
from unisono.recipe import Recipe
from unisono.saved import ModelError
from unisono.trunk import rebuilt, sizes


@dataclass(frozen=True)
class Pruned:
    """What was taken out.

    Args:
        layers: of the trunk, before and after. ``parameters``: of the whole model, before and after.
        heads, units: of each layer that is left: how many it has; of BERT's family.
        rows: task -> held-out rows that importance was measured on; none where only layers were taken out.
    """

    layers: tuple[int, int]
    parameters: tuple[int, int]
    heads: list[int]
    units: list[int]
    rows: dict[str, int]

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def prune(
    model: MultiTaskModel,
    *,
    layers: int | Sequence[int] | None = None,
    heads: float = 1.0,
    units: float = 1.0,
    examples: Mapping[str, Sequence[Mapping[str, np.ndarray]]] | None = None,
    on_pass: Callable[[str, int], Any] = lambda task, rows: None,
) -> Pruned:
    """Makes a model smaller, in place.

    Args:
        layers: how many are kept, evenly spaced, or which. They go first: importance is measured in what is left.
        heads, units: the share that is kept, of all layers together: some lose more than others, each keeps one.
        examples: task -> held-out encoded rows; needed for heads and units.

    Raises:
        ModelError: there are no such layers, or the trunk's family cannot lose heads.
    """
    before = len(model.trunk.layers) - 1, _count(model)
    try:
        if layers is not None:
            model.trunk = rebuilt(model.trunk, layers)
        if heads < 1 or units < 1:
            scores = importance(model, examples or {}, on_pass=on_pass)
            model.trunk = model.trunk.slimmed(*kept(scores, heads, units))
    except ValueError as error:
        raise ModelError(str(error)) from None
    model.eval()
    left = _sizes(model)
    return Pruned(
        layers=(before[0], len(model.trunk.layers) - 1),
        parameters=(before[1], _count(model)),
        heads=[count for count, _ in left],
        units=[count for _, count in left],
        rows={task: len(rows) for task, rows in (examples or {}).items()},
    )


def kept(scores: Scores, heads: float, units: float) -> tuple[list[list[int]], list[list[int]]]:
    """Of each layer the numbers of the heads and of the units that stay, ascending."""
    return _most(scores[0], heads), _most(scores[1], units)


def _most(scores: Sequence[Tensor], share: float) -> list[list[int]]:
    """The places of the greatest scores of all layers together, and of each layer's greatest."""
    best = [int(layer.argmax()) for layer in scores]
    owner = [(at, i) for at, layer in enumerate(scores) for i in range(len(layer))]
    # Each layer's greatest come first, and of equals the first: nothing is left to chance.
    order = torch.cat(
        [layer.index_fill(0, torch.tensor([i]), torch.inf) for layer, i in zip(scores, best, strict=True)]
    )
    wanted = max(len(scores), round(share * len(owner)))
    out: list[list[int]] = [[] for _ in scores]
    for place in sorted(order.argsort(descending=True, stable=True)[:wanted].tolist()):
        at, i = owner[place]
        out[at].append(i)
    return out


def _sizes(model: MultiTaskModel) -> list[tuple[int, int]]:
    try:
        return sizes(model.trunk.encoder)
    except ValueError:
        return []


def _count(model: MultiTaskModel) -> int:
    return sum(p.numel() for p in model.parameters())


def measured_on(recipe: Recipe, model: MultiTaskModel, rows: int) -> dict[str, list[dict[str, np.ndarray]]]:
    """Of each task so many encoded rows, evenly spread over its validation rows, or over its training rows.

    Raises:
        RecipeError, DataError: the rows cannot be read.
    """
    tables = read_tables(recipe, run=None)
    split = {name: "validation" if len(own.get("validation", ())) else "train" for name, own in tables.rows.items()}
    examples = encode(recipe, tables, model, tuple(sorted(set(split.values()))))
    out = {}
    for name, part in split.items():
        own = examples[name][part]
        out[name] = [own[i] for i in spread(len(own), rows)]
    return out


def check_place(folder: Path) -> None:
    """Raises ModelError where a folder holds something already."""
    if folder.exists() and any(folder.iterdir()):
        raise ModelError(f"{folder}: holds something already; name another folder, as unisono prune RUN OUT")


def save(model: MultiTaskModel, recipe: Recipe, folder: Path) -> None:
    """Writes a folder that is evaluated, asked and taught like that of a run: the model, and its recipe, in which the
    trunk is now this model's.

    Raises:
        ModelError: the folder holds something already.
    """
    check_place(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder / "model")
    begun = {"pretrained": str((folder / "model").absolute()), "max_length": recipe.trunk.max_length}
    raw = recipe.model_dump(mode="json") | {"trunk": begun, "run": str(folder), "distill": None, "stages": []}
    files.write_atomic(folder / "recipe.yaml", Recipe.model_validate(raw).to_yaml())
