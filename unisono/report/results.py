"""Results: of compare, affinity, tune and balance: auto, as their files hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unisono.recipe import RecipeError
from unisono.report import jsonfiles


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Interval(_Result):
    """An estimate and the range in which it is trusted; None: it could not be had."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    enough: bool | None = None


class Conflict(_Result):
    """Two tasks whose gradients oppose one another, and where."""

    tasks: list[str]
    layers: list[str] = []
    cosine: float | None = None


class Compare(_Result):
    """Each task trained alone against all together. Scores: task -> one per seed; differences in % of alone."""

    tasks: list[str]
    seeds: list[int] = []
    metric: dict[str, str] = {}
    alone: dict[str, list[float | None]] = {}
    joint: dict[str, list[float | None]] = {}
    delta: dict[str, Interval]
    delta_m: Interval
    split: dict[str, str] = {}
    sentence: str = ""
    warnings: list[str] = []
    conflicts: list[Conflict] = []


class Grouping(_Result):
    """Tasks in groups, trained. Scores: task -> one per seed; differences in % of each task alone."""

    groups: list[list[str]] = Field(min_length=1)
    scores: dict[str, list[float | None]] = {}
    validation: float | None = None
    delta: dict[str, Interval] = {}
    delta_m: Interval

    @property
    def alone(self) -> bool:
        """Whether no two tasks are together."""
        return all(len(group) == 1 for group in self.groups)


class Verified(_Result):
    """Groupings that were trained: all together first, each alone last."""

    groupings: list[Grouping]
    chosen: int
    by: str = ""
    seeds: list[int] = []
    metric: dict[str, str] = {}
    split: dict[str, str] = {}
    delta_m_together: Interval | None = None
    sentence: str = ""
    warnings: list[str] = []


class Affinity(_Result):
    """How an update on one task changes the loss of another: row i, on task i; column j, of task j."""

    tasks: list[str] = Field(min_length=1)
    affinity: list[list[float | None]]
    cosines: dict[str, list[list[float | None]]] = {}
    groups: list[list[str]] = []
    gain: float | None = None
    verify: Verified | None = None

    @model_validator(mode="after")
    def _square(self) -> Affinity:
        size = len(self.tasks)
        for name, matrix in {"affinity": self.affinity, **self.cosines}.items():
            if len(matrix) != size or any(len(row) != size for row in matrix):
                raise ValueError(f"{name} is not {size} x {size}, one row and column a task")
        return self


class Trial(_Result):
    """One recipe that was tried."""

    number: int
    state: str = ""
    values: list[float | None] | dict[str, float | None] | None = None
    params: dict[str, Any] = {}
    error: str = ""


class Tune(_Result):
    """A search over recipes."""

    tasks: list[str] = []
    objectives: list[str] = Field(min_length=1)
    trials: list[Trial]
    best: dict[str, Any] | None = None
    pareto: list[int] = []
    importance: dict[str, float | None] = {}

    def values(self, trial: Trial) -> list[float | None]:
        """A trial's score for each objective."""
        found = trial.values
        if isinstance(found, dict):
            return [found.get(name) for name in self.objectives]
        return [*(found or []), *[None] * len(self.objectives)][: len(self.objectives)]


class Tried(_Result):
    """A plain sum that was tried: λ of each task, the factor on learning rates, and what was left after each round."""

    weights: dict[str, float]
    rate: float = 1.0
    left: list[float | None] = []


class Auto(_Result):
    """The search of ``balance: auto``. Rounds: how many trials, and the steps after which they were judged."""

    tasks: list[str]
    rounds: list[tuple[int, int]] = []
    share: float = 0.0
    seconds: float = 0.0
    trials: list[Tried]
    chosen: int | None = None


Result = TypeVar("Result", bound=_Result)


def read(run: Path, name: str, model: type[Result], *, command: str = "") -> Result | None:
    """The result of the study ``name`` of a run; None if there was none.

    Args:
        command: what writes it; default: the command of that name.

    Raises:
        RecipeError: its file is not one that the study writes.
    """
    path, command = run / name / f"{name}.json", command or name
    found = jsonfiles.document(path, f"unisono {command}")
    if found is None:
        return None
    try:
        result = model.model_validate(found)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        what = problem["msg"].removeprefix("Value error, ")
        at = f"{path}: {where}" if where else f"{path}"
        raise RecipeError(
            f"{at}: {what[0].lower()}{what[1:]}; run `unisono {command}` again, or delete the file"
        ) from None
    return result
