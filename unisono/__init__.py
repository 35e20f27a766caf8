"""Unisono: one Transformer, every task. The public face; importing it imports no torch.

``unisono.train(recipe)`` learns a recipe, ``unisono.load(folder)`` brings back what was learned,
``unisono.evaluate(folder)`` scores it, and ``unisono.Client(url)`` asks a model that is served. Each name loads its
module when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unisono.api import evaluate, load, train, vectors
    from unisono.client import Client
    from unisono.model import MultiTaskModel
    from unisono.recipe import Recipe

__version__ = "0.1.0"
__all__ = ["Client", "MultiTaskModel", "Recipe", "__version__", "evaluate", "load", "train", "vectors"]

_HOME = {
    "Client": "unisono.client",
    "MultiTaskModel": "unisono.model",
    "Recipe": "unisono.recipe",
    "evaluate": "unisono.api",
    "load": "unisono.api",
    "train": "unisono.api",
    "vectors": "unisono.api",
}


class _Face(ModuleType):
    """Keeps ``unisono.train`` the function: importing the room of the same name would hide it.

    The rooms are reached by ``from unisono.train.loop import ...``, which does not go through this attribute.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'unisono' has no attribute {name!r}")
        value = getattr(import_module(_HOME[name]), name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_HOME})


sys.modules[__name__].__class__ = _Face
