"""ask: what a person types (sentences, files, folders, values by role), and which tasks can answer it. No torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unisono.data.readers.recordings import SOUNDS
from unisono.pictures import SUFFIXES
from unisono.recipe import nearest
from unisono.runtime.errors import BadRow
from unisono.runtime.questions import Prediction

if TYPE_CHECKING:
    from unisono.runtime.heads import Head as RuntimeHead
    from unisono.tasks import Task

MEDIA = {"image": SUFFIXES, "audio": SOUNDS}
OPTIONS = ("text", "pair", "question", "context", "image", "audio", "sequence")  # roles that are options of their own
_WORDS = ("text", "tokens", "sequence")  # kinds of input that are typed, not named by a file
_ARTICLE = {"image": "an image", "audio": "a sound", "sequence": "a sequence"}
_AT_ONCE = {True: 16, False: 256}  # inputs that are read before any is answered: files, and others


class AskError(Exception):
    """A question that the model cannot take; one line, with what would do."""


@dataclass(frozen=True)
class Takes:
    """What a task takes, seen from outside: of a model in memory or behind a server.

    Args:
        kind: its name.
        inputs: the roles that a row is asked for.
        reads: role -> what it holds, of these and what else a row may bring.
        options: what a question may say beside its row, such as ``beams``.
    """

    kind: str
    inputs: tuple[str, ...]
    reads: Mapping[str, str]
    options: tuple[str, ...] = ()

    @classmethod
    def of(cls, task: Task) -> Takes:
        """A task's of a model in memory: the roles that it was taught to read, and what a row may tell its head."""
        known = {**task.kind.inputs, **task.kind.told}
        reads = {role: what.kind for role, what in known.items() if role in task.roles}
        return cls(task.kind.name, tuple(task.inputs), reads, tuple(signature(task.kind.head.predict).parameters))

    @classmethod
    def of_export(cls, head: RuntimeHead) -> Takes:
        """A task's of an export: the same."""
        task = head.task
        reads = {role: task.holds(role) for role in head.roles if role in (*task.inputs, *task.optional)}
        return cls(task.kind, task.inputs, reads, head.options)


class Answers(Protocol):
    """A model in memory, in PyTorch or exported."""

    @property
    def text_tasks(self) -> list[str]:
        """The tasks whose one input is a text."""

    def predict(self, task: str, rows: Iterable[Any], **options: Any) -> list[Prediction]:
        """Predictions for rows, in their order."""

    def predict_all(self, text: Any, **options: Any) -> Any:
        """Every text task's prediction."""


@dataclass(frozen=True)
class Given:
    """One input.

    Args:
        shown: as it was given.
        kind: of the input that was given without a role: text, sequence, image, audio; None: there is none.
        value: that input.
        named: role -> value.
    """

    shown: Any
    kind: str | None = None
    value: str = ""
    named: Mapping[str, Any] = field(default_factory=dict)

    def row(self, task: Takes, *, partly: bool = False) -> dict[str, Any] | None:
        """As a row of a task; None where the task does not read all of it, or asks for more.

        Args:
            partly: inputs that the task asks for may be absent: the model will say so, or do without.
        """
        known = task.reads
        row = {role: value for role, value in self.named.items() if role in known}
        if len(row) < len(self.named) and not partly:
            return None
        if self.kind is not None:
            role = next((r for r in task.inputs if r not in row and self._suits(known[r])), None)
            if role is None:
                return None
            row[role] = self.value.split() if known[role] == "tokens" else self.value
        row = {role: row[role] for role in known if role in row}
        return row if partly or all(row.get(role) for role in task.inputs) else None

    def _suits(self, kind: str) -> bool:
        return kind == self.kind or (self.kind == "text" and kind == "tokens")


def gather(tasks: Mapping[str, Takes], typed: Sequence[str], named: Mapping[str, Sequence[str]]) -> list[Given]:
    """The inputs of a command line.

    Args:
        tasks: those that may be asked.
        typed: without a role: sentences, files, or folders of files.
        named: role -> values; a role with one value goes with every input, others go together in their order.

    Raises:
        AskError: a role that no task has, numbers of values that do not go together, a file that no task reads.
    """
    for role in named:
        known = {r: None for task in tasks.values() for r in task.reads}
        if role not in known:
            raise AskError(f'no task asked here has the input "{role}"{nearest(role, known)}')
    sorts: set[str] = {task.reads[role] for task in tasks.values() for role in task.inputs}
    inputs = [given for value in typed for given in _typed(value, sorts)]
    counts = {len(values) for values in named.values()} | ({len(inputs)} if inputs else set())
    most = max(counts, default=0)
    if counts - {1, most}:
        numbers = [f"{len(inputs)} inputs"] if inputs else []
        numbers += [f"{len(values)} of --{role}" for role, values in named.items()]
        raise AskError(f"{', '.join(numbers)}: give each once for all, or as often as the others")
    out = []
    for at in range(most):
        roles = {role: values[at if len(values) > 1 else 0] for role, values in named.items()}
        given = inputs[at if len(inputs) > 1 else 0] if inputs else Given(None)
        given = replace(given, named=roles)
        rows = (given.row(task, partly=len(tasks) == 1) for task in tasks.values())
        shown = next((row for row in rows if row is not None), roles) if roles else given.shown
        out.append(replace(given, shown=shown))
    return out


def listed(rows: Sequence[Mapping[str, Any]]) -> list[Given]:
    """Rows of a file: role -> value. What a task does not read, such as its label, is passed over."""
    return [Given(row, named=row) for row in rows]


def only(tasks: Mapping[str, Takes]) -> str:
    """The one task that rows can be meant for."""
    if len(tasks) > 1:
        raise AskError(f"--rows needs --task, as rows are one task's input: {', '.join(tasks)}")
    return next(iter(tasks))


def _typed(value: str, sorts: set[str]) -> Iterator[Given]:
    """An input without a role, or those of a folder."""
    media = [kind for kind in MEDIA if kind in sorts]
    if media and os.path.isdir(value):
        suffixes = {suffix for kind in media for suffix in MEDIA[kind]}
        found = sorted(p for p in Path(value).iterdir() if p.suffix.lower() in suffixes and p.is_file())
        if not found:
            raise AskError(f"{value}: no file in this folder is {_either(media)} ({' '.join(sorted(suffixes))})")
        for path in found:
            yield Given(str(path), _kind(str(path), sorts), str(path))
        return
    kind = _kind(value, sorts)
    yield Given(value, kind, value)


def _kind(value: str, sorts: set[str]) -> str:
    """What an input without a role is, given the kinds of input that the tasks read."""
    words = [kind for kind in _WORDS if kind in sorts]
    suffix = Path(value).suffix.lower()
    by_name = next((kind for kind, suffixes in MEDIA.items() if suffix in suffixes), None)
    if by_name in sorts and (not words or not any(c.isspace() for c in value) or os.path.isfile(value)):
        return str(by_name)
    media = [kind for kind in MEDIA if kind in sorts]
    if by_name and by_name not in sorts and os.path.isfile(value):
        raise AskError(f"{value} is {_ARTICLE[by_name]}, and no task asked here reads one")
    if not words and len(media) > 1:
        raise AskError(f"{value}: neither an image nor a sound by its name; say --image FILE or --audio FILE")
    if not words:
        return media[0]
    return "sequence" if words == ["sequence"] else "text"


def in_turns(givens: Sequence[Given], tasks: Mapping[str, Takes]) -> Iterator[Sequence[Given]]:
    """Inputs that are read before any of them is answered: few where they are files."""
    at_once = _AT_ONCE[any(_has_file(given, tasks) for given in givens)]
    for start in range(0, len(givens), at_once):
        yield givens[start : start + at_once]


def sentences(givens: Sequence[Given]) -> bool:
    """Whether all that is given are texts, without a role."""
    return all(given.kind == "text" and not given.named for given in givens)


def answers(
    model: Answers,
    tasks: Mapping[str, Takes],
    givens: Sequence[Given],
    task: str = "",
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[tuple[Given, dict[str, Prediction] | str]]:
    """Each input with task -> prediction, or with the reason why it cannot be used.

    Args:
        tasks: of the model. ``task``: only this one; else all whose inputs are those given.
        options: task -> options of its head's ``predict``.

    Raises:
        AskError: no task takes the inputs that are given.
    """
    options = options or {}
    tasks = {task: tasks[task]} if task else tasks

    def predicted(name: str, rows: Mapping[int, Mapping[str, Any]]) -> Iterator[tuple[int, Prediction | str]]:
        """Each row's prediction, or why it has none."""
        rows = dict(rows)
        while rows:
            try:
                found = model.predict(name, rows.values(), **options.get(name, {}))
            except BadRow as bad:
                at = list(rows)[bad.at]
                yield at, bad.reason
                del rows[at]
                continue
            yield from zip(rows, found, strict=True)
            return

    for some in in_turns(givens, tasks):
        if model.text_tasks and not task and sentences(givens):
            yield from zip(some, model.predict_all([g.value for g in some], **options), strict=True)
        else:
            yield from zip(some, asked(tasks, some, predicted, partly=bool(task)), strict=True)


def asked(
    tasks: Mapping[str, Takes],
    givens: Sequence[Given],
    predicted: Callable[[str, Mapping[int, dict[str, Any]]], Iterable[tuple[int, Prediction | str]]],
    *,
    partly: bool,
) -> list[dict[str, Prediction] | str]:
    """Of each input task -> prediction, or the reason why it cannot be used.

    Args:
        tasks: those that are asked, each with the inputs that it takes.
        predicted: a task's name and its rows by their number -> each number with a prediction, or with a reason.
        partly: inputs that the one task asks for may be absent.

    Raises:
        AskError: no task takes an input.
    """
    found: list[dict[str, Prediction]] = [{} for _ in givens]
    reasons: dict[int, str] = {}
    used = set()
    for name, takes in tasks.items():
        rows = {at: given.row(takes, partly=partly) for at, given in enumerate(givens)}
        use = {at: row for at, row in rows.items() if row is not None and at not in reasons}
        used |= set(use)
        for at, prediction in predicted(name, use) if use else ():
            if isinstance(prediction, str):
                reasons[at] = prediction
            else:
                found[at][name] = prediction
    for at, given in enumerate(givens):
        if at not in used:
            raise AskError(_nobody(tasks, given))
    return [reasons.get(at, found[at]) for at in range(len(givens))]


def _nobody(tasks: Mapping[str, Takes], given: Given) -> str:
    """Why no task could be asked, and what they take."""
    have = " and ".join([*([_ARTICLE.get(given.kind, "a text")] if given.kind else []), *given.named]) or "nothing"
    take = "; ".join(f"{name}: {takes(task)}" for name, task in tasks.items())
    return f"no task asked here takes {have}. What they take: {take}"


def takes(task: Takes) -> str:
    """How the inputs of a task are given on the command line."""
    roles = task.inputs
    if len(roles) == 1:
        kind = task.reads[roles[0]]
        return {"image": "photo.jpg", "audio": "sound.wav", "sequence": "CCC"}.get(kind, '"A sentence."')
    shown = {"image": "photo.jpg", "audio": "sound.wav"}
    values = {role: shown.get(task.reads[role], "...") for role in roles}
    return " ".join(f"--{role} {v}" if role in OPTIONS else f"--input {role}={v}" for role, v in values.items())


def example(tasks: Mapping[str, Takes]) -> str:
    """What to type after ``unisono predict RUN``: a sentence where a task takes one, else what the first task takes."""
    ways = [takes(task) for task in tasks.values()]
    return next((way for way in ways if way.startswith('"')), ways[0])


def _has_file(given: Given, tasks: Mapping[str, Takes]) -> bool:
    kinds = {role: kind for task in tasks.values() for role, kind in task.reads.items()}
    return given.kind in MEDIA or any(kinds.get(role) in MEDIA for role in given.named)


def _either(kinds: Sequence[str]) -> str:
    return " or ".join(_ARTICLE[kind] for kind in kinds)
