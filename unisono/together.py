"""Together: questions to several tasks answered from one pass through the trunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch

from unisono.heads import Example, Head, Prediction, Row
from unisono.inputs import Inputs, collate_mixed
from unisono.packed import Packed
from unisono.runtime.answering import turn
from unisono.runtime.questions import Answer, Question, Unanswerable
from unisono.stems import Stem
from unisono.tasks import Task


class Model(Protocol):
    """What is asked: see ``MultiTaskModel``, which itself asks here."""

    tasks: dict[str, Task]

    @property
    def device(self) -> torch.device: ...
    def head(self, task: str) -> Head: ...
    def stems_of(self, task: str) -> dict[str, Stem]: ...
    def length(self, task: str, example: Example) -> int: ...
    def encode(self, task: str, rows: Sequence[Row]) -> list[Example | list[Example] | str]: ...
    def states(self, inputs: Inputs, *, first: bool = False) -> Packed: ...
    def predict_examples(self, task: str, examples: Sequence[Example], **options: Any) -> list[Prediction]: ...
    def merged(
        self, task: str, source: Sequence[int], found: Sequence[Prediction], row_of: Callable[[int], Row]
    ) -> Iterator[tuple[int, Prediction]]: ...


class _Part(NamedTuple):
    """An example of a question, and the number of its sequence in the pack."""

    at: int
    example: Example
    sequence: int


def answers(model: Model, questions: Sequence[Question]) -> Iterator[Answer | None]:
    """Answers as they are found; None after a piece of work that gave none, so that other work may come between.

    The questions' rows lie in one pack, whatever their tasks, and equal inputs share a sequence of it. Heads that find
    their answers step by step take turns, one step each.

    Args:
        model: in evaluation mode.
    """
    parts: list[tuple[int, Example]] = []
    for at, made in _encoded(model, questions):
        if isinstance(made, str):
            yield Answer(at, Unanswerable(made))
        else:
            parts += ((at, example) for example in (made if isinstance(made, list) else [made]))
    yield from answers_of(model, questions, parts)


def answers_of(
    model: Model, questions: Sequence[Question], parts: Sequence[tuple[int, Example]]
) -> Iterator[Answer | None]:
    """As ``answers``, where rows are encoded already.

    Args:
        parts: the number of a question, ascending, and an example of its row.
    """
    if not parts:
        return
    # Of these a row is more sequences than one, or does not look as it does to the others.
    apart = {task for task in model.tasks if model.tasks[task].sides or model.head(task).hides}
    alone = [_Part(at, example, 0) for at, example in parts if questions[at].task in apart]
    running = [_alone(model, questions, group) for group in _groups(questions, alone)]
    if len(alone) < len(parts):
        placed, states = _states(model, questions, [part for part in parts if questions[part[0]].task not in apart])
        running += [_found(model, questions, group, states) for group in _groups(questions, placed)]
    while running:
        yield from turn(running)


def _encoded(model: Model, questions: Sequence[Question]) -> Iterator[tuple[int, Example | list[Example] | str]]:
    """Each question's examples, or why it has none; the rows of a task are read together."""
    of_task: dict[str, list[int]] = {}
    for at, question in enumerate(questions):
        of_task.setdefault(question.task, []).append(at)
    for task, places in of_task.items():
        yield from zip(places, model.encode(task, [questions[at].row for at in places]), strict=True)


@torch.inference_mode()
def _states(
    model: Model, questions: Sequence[Question], parts: Sequence[tuple[int, Example]]
) -> tuple[list[_Part], Packed]:
    """The trunk's states, the shortest sequence first; and the parts in the order of their sequences."""
    numbers: dict[tuple[Any, ...], int] = {}
    rows: list[tuple[Mapping[str, Stem], Example]] = []
    lengths: list[int] = []
    which: list[int] = []
    for at, example in parts:
        task = questions[at].task
        stems = model.stems_of(task)
        read = [name for stem in stems.values() for name in stem.reads if name in example]
        key = (*stems, *((name, example[name].shape, example[name].tobytes()) for name in read))
        which.append(numbers.setdefault(key, len(rows)))
        if which[-1] == len(rows):
            rows.append((stems, example))
            lengths.append(model.length(task, example))
    order = sorted(range(len(rows)), key=lengths.__getitem__)
    place = {row: sequence for sequence, row in enumerate(order)}
    placed = [_Part(at, example, place[row]) for (at, example), row in zip(parts, which, strict=True)]
    first = all(model.head(task).first_only for task in {questions[at].task for at, _ in parts})
    inputs = collate_mixed([rows[row] for row in order]).to(model.device)
    return sorted(placed, key=lambda part: part.sequence), model.states(inputs, first=first)


def _groups(questions: Sequence[Question], parts: Sequence[_Part]) -> list[list[_Part]]:
    """The parts that one head can take at once: of one task, asked for in one way."""
    groups: dict[tuple[Any, ...], list[_Part]] = {}
    for part in parts:
        question = questions[part.at]
        key = (question.task, question.partial, *sorted(question.options.items()))
        groups.setdefault(key, []).append(part)
    return list(groups.values())


@torch.inference_mode()
def _found(
    model: Model, questions: Sequence[Question], parts: Sequence[_Part], states: Packed
) -> Iterator[list[Answer]]:
    """A head's answers: after each of its steps what it knows so far, where that is wanted, and all at the end."""
    first = questions[parts[0].at]
    task, head = first.task, model.head(first.task)
    targets = {n: t.to(model.device) for n, t in head.collate([part.example for part in parts]).items()}
    steps = head.steps(
        states.select([part.sequence for part in parts]), targets, partial=first.partial, **first.options
    )
    try:
        while True:
            known = next(steps)
            yield [Answer(parts[i].at, found, last=False) for i, found in known.items()]
    except StopIteration as end:
        found = end.value
    except ValueError as error:  # an option that this task does not have
        yield [Answer(at, Unanswerable(str(error))) for at in dict.fromkeys(part.at for part in parts)]
        return
    by_question = sorted(range(len(parts)), key=lambda i: parts[i].at)  # a row's windows come in their order
    merged = model.merged(
        task, [parts[i].at for i in by_question], [found[i] for i in by_question], lambda at: questions[at].row
    )
    yield [Answer(at, prediction) for at, prediction in merged]


def _alone(model: Model, questions: Sequence[Question], parts: Sequence[_Part]) -> Iterator[list[Answer]]:
    """Answers of a task whose rows take a pass of their own."""
    first = questions[parts[0].at]
    try:
        found = model.predict_examples(first.task, [part.example for part in parts], **first.options)
    except ValueError as error:  # an option that this task does not have
        yield [Answer(part.at, Unanswerable(str(error))) for part in parts]
        return
    yield [Answer(part.at, prediction) for part, prediction in zip(parts, found, strict=True)]
