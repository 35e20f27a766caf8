"""stages: progressive training. Which tasks are in, what is frozen, how fast it learns, when a task or a stage ends."""

from unisono.stages.course import Course
from unisono.stages.parts import frozen
from unisono.stages.patience import Patience
from unisono.stages.plan import Stage, expand, planned_steps

__all__ = ["Course", "Patience", "Stage", "expand", "frozen", "planned_steps"]
