"""Bundles: tasks whose labels stand on the same rows, drawn together so that one pass through the trunk serves all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unisono.data import Examples
from unisono.prepare import Tables, labelled
from unisono.recipe import Recipe, RecipeError
from unisono.tasks import stem_of

NONE = -1  # the example of a task that does not have a row
PLUS = "+"  # stands in no task's name


@dataclass(frozen=True)
class Bundle:
    """What is drawn from together: one task's rows, or the rows that several tasks share.

    Args:
        tasks: their names.
        costs: (n,) int32 tokens of each row. ``units``: (n,) what each takes of a step's budget, tokens or 1.
        rows: (m,) int64 which of them carry a label for one of the tasks.
        size: what these take in an epoch.
        examples: (n, T) int64 the number of each task's example in each row, or NONE; left out for a single task, whose
            rows are its examples.
    """

    tasks: tuple[str, ...]
    costs: np.ndarray
    units: np.ndarray
    rows: np.ndarray
    size: float
    examples: np.ndarray | None = None

    @cached_property
    def key(self) -> str:
        """Its name: of a single task, the task's."""
        return key_of(self.tasks)

    def numbers(self, rows: Sequence[int]) -> dict[str, list[int]]:
        """task -> the number of its example in each of the rows, or NONE."""
        if self.examples is None:
            return {self.tasks[0]: list(rows)}
        return {task: self.examples[list(rows), column].tolist() for column, task in enumerate(self.tasks)}


def key_of(tasks: Iterable[str]) -> str:
    """The name of the bundle of these tasks."""
    return PLUS.join(tasks)


class Bundles:
    """The bundles of a recipe's tasks, whichever of them are in the mix.

    Tasks share rows where they read the same columns of the same files in the same way, and nothing in the recipe asks
    for more of one than of the other.

    Args:
        examples: task -> split -> its encoded rows.
        whole: tasks of which rows without a label are drawn too.

    Raises:
        RecipeError: the recipe says that rows are shared, and no two tasks can.
    """

    def __init__(
        self,
        recipe: Recipe,
        tables: Tables,
        examples: Mapping[str, Mapping[str, Examples]],
        whole: Collection[str] = (),
    ) -> None:
        self._repeat = {name: task.repeat for name, task in recipe.tasks.items()}
        self._by_rows = bool(recipe.train.rows_per_step)
        self.examples = {name: parts["train"] for name, parts in examples.items()}
        self.drawn = {
            n: np.arange(len(own)) if n in whole else labelled(tables.tasks[n], tables.rows[n]["train"], own)
            for n, own in self.examples.items()
        }
        self._labels = {name: _marked(rows, len(self.examples[name])) for name, rows in self.drawn.items()}
        self._of: dict[str, tuple[str, ...]] = {name: (name,) for name in self.examples}  # task -> all that it is with
        self._tables: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}  # shared examples and costs
        self._made: dict[tuple[str, ...], Bundle] = {}
        if recipe.mix.share_rows is not False:
            self._match(recipe, tables)
        if recipe.mix.share_rows and not self._tables:
            raise RecipeError(
                "mix.share_rows: no two tasks read the same columns of the same files with the same max_length, repeat "
                "and share; leave it out, or write false"
            )

    def __getitem__(self, key: str) -> Bundle:
        """The bundle of that key."""
        return self._bundle(tuple(key.split(PLUS)))

    def taken(self, numbers: Mapping[str, Sequence[int]]) -> dict[str, list[dict[str, np.ndarray] | None]]:
        """task -> its encoded examples of some rows, None where it has none.

        Args:
            numbers: as the bundle gives them.
        """
        return {task: [None if n == NONE else self.examples[task][n] for n in own] for task, own in numbers.items()}

    def counts(self, rows: Mapping[str, Sequence[int]]) -> dict[str, int]:
        """task -> how many of a step's rows carry a label of it.

        Args:
            rows: key of a bundle -> rows of it.
        """
        out: dict[str, int] = {}
        for key, own in rows.items():
            for task, numbers in self[key].numbers(own).items():
                out[task] = int(self._labels[task][numbers].sum())
        return out

    def notes(self) -> Iterator[str]:
        """What a user should know: which tasks share rows, and how many rows are never drawn."""
        for tasks in self._tables:
            rows = len(self._bundle(tasks).rows)
            yield f"{', '.join(tasks)} label the same {rows:,} rows: one pass through the trunk serves them all"
        for name, drawn in self.drawn.items():
            free = len(self.examples[name]) - len(drawn)
            if free and len(self._of[name]) == 1:
                of = f"{free:,} of {len(self.examples[name]):,}"
                yield f'task "{name}": {of} training rows have no label and are not drawn'

    def split(self, tasks: Iterable[str], apart: Collection[str] = ()) -> list[Bundle]:
        """The bundles of some tasks, in their order; those ``apart`` are bundles of their own."""
        wanted = list(tasks)
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for task in wanted:
            groups[(task,) if task in apart else self._of[task]].append(task)
        return [self._bundle(tuple(group)) for group in groups.values()]

    def epoch(self, tasks: Iterable[str]) -> float:
        """The cost of an epoch of these tasks: tokens, or rows where steps are counted in rows."""
        return sum(bundle.size for bundle in self.split(tasks))

    # -- in detail -------------------------------------------------------------------------------------------------

    def _bundle(self, tasks: tuple[str, ...]) -> Bundle:
        if tasks not in self._made:
            self._made[tasks] = self._single(tasks[0]) if len(tasks) == 1 else self._several(tasks)
        return self._made[tasks]

    def _single(self, task: str) -> Bundle:
        return self._with((task,), self.examples[task].lengths, self.drawn[task])

    def _several(self, tasks: tuple[str, ...]) -> Bundle:
        together = self._of[tasks[0]]
        all_examples, costs = self._tables[together]
        found = all_examples[:, [together.index(task) for task in tasks]]
        useful = np.zeros(len(found), bool)
        for column, task in enumerate(tasks):
            useful |= self._labels[task][found[:, column]]
        return self._with(tasks, costs, np.flatnonzero(useful), found)

    def _with(
        self, tasks: tuple[str, ...], costs: np.ndarray, rows: np.ndarray, examples: np.ndarray | None = None
    ) -> Bundle:
        units = np.ones(len(costs), np.int32) if self._by_rows else costs
        size = float(units[rows].sum()) * self._repeat[tasks[0]]
        return Bundle(tasks, costs, units, rows, size, examples)

    def _match(self, recipe: Recipe, tables: Tables) -> None:
        alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
        for name in self.examples:
            alike[_view(recipe, tables, name)].append(name)
        for tasks in alike.values():
            matched = self._matched(tasks, tables) if len(tasks) > 1 else None
            if matched is not None:
                self._of |= dict.fromkeys(tasks, tuple(tasks))
                self._tables[tuple(tasks)] = matched

    def _matched(self, tasks: Sequence[str], tables: Tables) -> tuple[np.ndarray, np.ndarray] | None:
        """(n, T) examples of the rows that any of the tasks has, in the order of their source as far as there is one,
        and (n,) costs; None where rows cannot be told apart, or do not have the same input after all.
        """
        places = [tables.rows[task]["train"].places()[self.examples[task].source] for task in tasks]
        union, first = np.unique(np.concatenate(places), return_index=True)
        union = union[np.argsort(first)]
        order = np.argsort(union)
        examples = np.full((len(union), len(tasks)), NONE, np.int64)
        costs = np.zeros(len(union), np.int32)
        for column, (task, own) in enumerate(zip(tasks, places, strict=True)):
            at = order[np.searchsorted(union, own, sorter=order)]
            lengths = self.examples[task].lengths
            if len(np.unique(own)) < len(own) or np.any((costs[at] != 0) & (costs[at] != lengths)):
                return None
            examples[at, column], costs[at] = np.arange(len(own)), lengths
        return examples, costs


def _marked(rows: np.ndarray, count: int) -> np.ndarray:
    """(count + 1,) true for the rows; the last is for NONE."""
    out = np.zeros(count + 1, bool)
    out[rows] = True
    return out


def _view(recipe: Recipe, tables: Tables, name: str) -> tuple[object, ...]:
    """What two tasks must have in common to share rows: the source, the inputs, how they are read and drawn."""
    wanted, task = recipe.tasks[name], tables.tasks[name]
    source = wanted.data.model_copy(update={"limit": None}).model_dump_json()
    inputs = tuple((stem_of(r), str(task.columns.get(n, n))) for n, r in task.kind.inputs.items() if n in task.roles)
    weight = recipe.mix.weights.get(name)
    # Of these, what it sees of a row is not what the others see.
    own = name if task.kind.head.hides or getattr(task.options, "mixup", False) or task.tile else None
    twice = getattr(task.options, "r_drop", 0)
    return source, inputs, task.kind.words, task.kind.apart, task.max_length, wanted.repeat, weight, own, twice
