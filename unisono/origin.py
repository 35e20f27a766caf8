"""Origin: a model of ours that has learned before, from which a new one begins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from unisono.model import MultiTaskModel
from unisono.saved import CONFIG, ModelError


def model_folder(folder: str | Path) -> Path | None:
    """Where a model of ours lies in a folder of a run, or the folder itself; None: it is neither."""
    for place in (Path(folder).expanduser(), Path(folder).expanduser() / "model"):
        try:
            config = json.loads((place / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(config, dict) and config.get("model_type") == "unisono":
            return place
    return None


def teacher(folder: str | Path) -> MultiTaskModel:
    """The model of a run or a model's folder, which no longer learns.

    Raises:
        ModelError: there is none.
    """
    place = model_folder(folder)
    if place is None:
        raise ModelError(f"{folder}: no trained model here; train it first, or name the folder of a run")
    return MultiTaskModel.from_pretrained(place).requires_grad_(False)


def give(origin: MultiTaskModel, model: MultiTaskModel) -> list[str]:
    """Copies heads and stems to a model that has their like: of the same name, sort, options and shapes.

    The trunk and the word table are not copied: a model that begins from another has been made with them.

    Returns:
        The tasks whose heads begin afresh.
    """
    for name in set(model.stems) & set(origin.stems) - {"text"}:
        if model.stem(name).config() == origin.stem(name).config() and _fit(origin.stems[name], model.stems[name]):
            model.stems[name].load_state_dict(origin.stems[name].state_dict())
    for name in set(model.marks) & set(origin.marks):
        if model.marks[name].shape == origin.marks[name].shape:
            model.marks[name].data.copy_(origin.marks[name].data)
    return [name for name in model.tasks if not _given(origin, model, name)]


def _given(origin: MultiTaskModel, model: MultiTaskModel, task: str) -> bool:
    if task not in origin.tasks or origin.tasks[task].kind.name != model.tasks[task].kind.name:
        return False
    old, new = origin.head(task), model.head(task)
    if type(old) is not type(new) or old.fitted != new.fitted or not _fit(old, new):
        return False
    new.load_state_dict(old.state_dict())
    return True


def _fit(old: nn.Module, new: nn.Module) -> bool:
    """Whether the weights of one are of the other's shapes."""
    return list(_shapes(old)) == list(_shapes(new))


def _shapes(module: nn.Module) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, tensor in module.state_dict().items():
        yield name, tuple(tensor.shape)
