"""Answering: questions to several tasks, their sequences in one pass of the encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .graphs import Arrays, Asked, Pass
from .heads import Example, Head
from .inputs import Inputs
from .leaving import LAYERS, Group, Part, climbed
from .pack import Pack, length, passes
from .questions import Answer, Prediction, Question, Row, Unanswerable

PLACES = 8192  # of the grid of one pass

Encoded = Sequence[Sequence[Example] | str]


class _Found:
    """The predictions of the examples of each question, until they are all there."""

    def __init__(self, heads: Mapping[str, Head], questions: Sequence[Question], encoded: Encoded) -> None:
        self._heads, self._questions = heads, questions
        self._of: dict[int, list[Prediction | None]] = {
            at: [None] * len(made) for at, made in enumerate(encoded) if not isinstance(made, str)
        }

    def add(self, part: Part, prediction: Prediction) -> Iterator[Answer]:
        own = self._of[part.at]
        own[part.place] = prediction
        if (whole := [each for each in own if each is not None]) and len(whole) == len(own):
            question = self._questions[part.at]
            yield Answer(part.at, self._heads[question.task].merge(question.row, whole))


def answers(
    heads: Mapping[str, Head],
    inputs: Inputs,
    run: Pass,
    questions: Sequence[Question],
    encoded: Encoded,
    confident: float | None = None,
) -> Iterator[Answer | None]:
    """Answers as they are found; None after a piece of work that gave none, so that other work may come between.

    Equal inputs share a sequence, whatever their tasks, and like lengths a pass. Heads that find their answers step by
    step take turns, one step each.

    Args:
        inputs: lay examples in a pack. ``run``: a pass of the encoder with the heads' graphs behind it.
        encoded: the examples of each question, or why it has none.
        confident: from which probability on a row leaves at an exit; None: none does.
    """
    sequences: list[tuple[Sequence[str], Example]] = []
    numbers: dict[tuple[Any, ...], int] = {}
    parts: list[list[Part]] = []  # of each sequence
    for at, made in enumerate(encoded):
        if isinstance(made, str):
            yield Answer(at, Unanswerable(made))
            continue
        for place, example in enumerate(made):
            stems = heads[questions[at].task].task.stems
            number = numbers.setdefault(inputs.key(stems, example), len(sequences))
            if number == len(sequences):
                sequences.append((stems, example))
                parts.append([])
            parts[number].append(Part(at, place, example, number))
    found = _Found(heads, questions, encoded)
    running: list[Iterator[list[Answer]]] = []
    for chosen in passes([length(example) for _, example in sequences], PLACES):
        pack = inputs.pack([sequences[number] for number in chosen])
        groups = _groups(heads, questions, [p._replace(sequence=i) for i, n in enumerate(chosen) for p in parts[n]])
        if confident is not None and any(heads[task].task.exits for task, _ in groups):
            running.append(_early(heads, run, pack, groups, questions, found, confident))
        else:
            said = run(pack, _asked(heads, pack, groups))
            for (task, group), outputs in zip(groups, said, strict=True):
                running.append(_decoded(heads[task], questions, group, outputs, found))
        yield from turn(running)
    while running:
        yield from turn(running)


def turn(running: list[Iterator[list[Answer]]]) -> Iterator[Answer | None]:
    """One step of all that is running."""
    for work in tuple(running):
        try:
            yield from next(work) or (None,)
        except StopIteration:
            running.remove(work)


def _groups(heads: Mapping[str, Head], questions: Sequence[Question], parts: Sequence[Part]) -> list[Group]:
    """Tasks, and the parts that a head can take at once: asked for in one way."""
    groups: dict[tuple[Any, ...], list[Part]] = {}
    for part in parts:
        question = questions[part.at]
        partial = question.partial and heads[question.task].stepwise
        groups.setdefault((question.task, partial, *sorted(question.options.items())), []).append(part)
    return [(key[0], group) for key, group in groups.items()]


def _asked(heads: Mapping[str, Head], pack: Pack, groups: Sequence[Group]) -> list[Asked]:
    """What the graphs of the heads read of a pack."""
    out = []
    for task, group in groups:
        examples = [part.example for part in group]
        index = heads[task].index(pack, [part.sequence for part in group], examples)
        out.append(Asked(heads[task].task.graph, {"index": index, **heads[task].more(examples)}))
    return out


def _early(
    heads: Mapping[str, Head],
    run: Pass,
    pack: Pack,
    groups: Sequence[Group],
    questions: Sequence[Question],
    found: _Found,
    confident: float,
) -> Iterator[list[Answer]]:
    """The answers to what is asked of a pack, first of the rows that leave early; a floor of the trunk is a step."""
    steps = climbed(heads, run, pack, groups, confident)
    try:
        while True:
            yield [answer for part, said in next(steps) for answer in found.add(part, said)]
    except StopIteration as end:
        rest = end.value
    if rest is None:
        return
    left = [(task, group) for task, group in rest.groups if group]
    for (task, group), (graph, fields) in zip(left, _asked(heads, rest.pack, left), strict=True):
        outputs = run.run(graph, {"states": rest.states, **fields})
        more = {LAYERS: rest.layers} if heads[task].task.exits else {}
        yield from _decoded(heads[task], questions, group, outputs, found, more)


def _decoded(
    head: Head,
    questions: Sequence[Question],
    parts: Sequence[Part],
    outputs: Arrays,
    found: _Found,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[list[Answer]]:
    """A head's answers: after each of its steps what it knows so far, where that is wanted, and all at the end, with
    ``more``.
    """
    first = questions[parts[0].at]
    steps = head.steps(outputs, [part.example for part in parts], partial=first.partial, **first.options)
    try:
        while True:
            known = next(steps)
            yield [Answer(parts[i].at, so_far, last=False) for i, so_far in known.items()]
    except StopIteration as end:
        whole: list[Prediction] = end.value
    except ValueError as error:  # an option that this task does not have
        yield [Answer(at, Unanswerable(str(error))) for at in dict.fromkeys(part.at for part in parts)]
        return
    each = zip(parts, whole, strict=True)
    yield [answer for part, prediction in each for answer in found.add(part, {**prediction, **more})]


def strange(head: Head, options: Mapping[str, Any]) -> str:
    """Why a head cannot be told these options; empty if it can."""
    for name, value in options.items():
        if name not in head.options:
            takes = f"it takes {', '.join(head.options)}" if head.options else "it takes none"
            return f'task "{head.task.name}" has no option "{name}": {takes}'
        if value is not None and not _allowed(name, value):
            return f'option "{name}" cannot be {value!r:.60}'
    return ""


def _allowed(name: str, value: Any) -> bool:
    if name == "language":
        return isinstance(value, str)
    least, most = {"beams": (1, 64), "max_new": (1, 1 << 16), "min_new": (0, 1 << 16)}[name]
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def rows_of(questions: Sequence[Question]) -> dict[str, list[tuple[int, Row]]]:
    """Task -> the number and the row of each of its questions: rows of a task are read together."""
    out: dict[str, list[tuple[int, Row]]] = {}
    for at, question in enumerate(questions):
        out.setdefault(question.task, []).append((at, question.row))
    return out
