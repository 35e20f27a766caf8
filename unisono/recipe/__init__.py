"""recipe: what a user writes, read and checked. Imports no torch."""

from unisono.recipe.distilled import Distill
from unisono.recipe.errors import RecipeError, explain, nearest
from unisono.recipe.read import build, parse, read
from unisono.recipe.tune import Tune
from unisono.recipe.types import TASK_NAME, Column, Mix, Recipe, Task, Train, Trunk

__all__ = [
    "TASK_NAME",
    "Column",
    "Distill",
    "Mix",
    "Recipe",
    "RecipeError",
    "Task",
    "Train",
    "Trunk",
    "Tune",
    "build",
    "explain",
    "nearest",
    "parse",
    "read",
]
