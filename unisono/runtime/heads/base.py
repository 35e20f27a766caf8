"""Head: what makes predictions of the outputs of a task's graph. The contract of this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import Damaged
from ..inputs import Example, Inputs
from ..manifest import Task
from ..pack import Pack
from ..questions import Prediction, Row

__all__ = ["Arrays", "Example", "Head", "Run"]

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Arrays], Arrays]  # a graph


class Head(ABC):
    """One task's decoder: what ``unisono.heads`` does after the last matrix product, in NumPy.

    Args:
        task: how it is read and decoded.
        files: of the export, name -> text.
        step: the graph of one step, of heads that write.
    """

    roles: tuple[str, ...]  # those that a row may bring, all of them texts; of other inputs the manifest has them
    options: ClassVar[tuple[str, ...]] = ()  # what ``steps`` may be told
    words: ClassVar[bool] = False  # its text may be split into words
    stepwise: ClassVar[bool] = False

    def __init__(self, task: Task, files: Mapping[str, str], step: Run | None) -> None:
        self.task = task
        self.roles = tuple(task.roles) or self.roles
        self.setup(files, step)

    @abstractmethod
    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        """Reads ``task.decode``.

        Raises:
            Damaged: it is not as it should be.
        """

    def examples(self, inputs: Inputs, rows: Sequence[Row]) -> Sequence[list[Example] | str]:
        """The examples of each row, or why it has none. Of most heads a row is one example."""
        return [made if isinstance(made, str) else [made] for made in inputs.tokens(self.task, rows)]

    def index(self, pack: Pack, numbers: Sequence[int], examples: Sequence[Example]) -> np.ndarray:
        """What the graph is to read of a pack.

        Args:
            numbers: of the sequence of each example.
        """
        return pack.gridded(numbers) if self.task.reads == "grid" else pack.starts[np.asarray(numbers)]

    def more(self, examples: Sequence[Example]) -> Arrays:
        """What the graph reads beside states and index, int64."""
        return {}

    def steps(
        self, outputs: Arrays, examples: Sequence[Example], *, partial: bool = False, **options: Any
    ) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
        """The outputs of the graph -> the prediction of each example. Yields after each step what is known so far, by
        the number of the example; nothing unless ``partial``.
        """
        yield from ()
        return self.predict(outputs, examples)

    @abstractmethod
    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        """The outputs of the graph -> the prediction of each example."""

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """A row's prediction from those of its examples, in their order."""
        (only,) = parts
        return only

    def output(self, outputs: Arrays, name: str, *shape: int | None) -> np.ndarray:
        """An output of the graph.

        Raises:
            Damaged: there is none of that name and shape.
        """
        found = outputs.get(name)
        if (
            found is None
            or found.ndim != len(shape)
            or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True))
        ):
            raise Damaged(f'task "{self.task.name}": its graph gives no "{name}" of the shape {shape}')
        return found
