"""Runtime: an export, loaded: the tasks of a model without what it was trained with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from .answering import answers, rows_of, strange
from .bundle import Bundle
from .errors import BadInput, ExportedError, NoTask
from .graphs import Graphs, OneGraph, Pass
from .heads import HEADS, Head
from .inputs import Inputs
from .manifest import Manifest, Task
from .questions import Answer, Prediction, Question, Row, Unanswerable
from .reading import MOST_TEXT, read, row_of

FILES = {"image", "audio"}  # stems whose inputs are files
_AT_ONCE = {True: 32, False: 256}  # rows that are read before any is answered: files, and others


class Runtime:
    """Answers as the model that was exported does, up to the precision of the export.

    Every method may be called from several threads at once: the tokenizer has a lock of its own, sessions need none. A
    generator that ``answers`` gave belongs to one thread.

    Args:
        manifest: what the export says of itself. ``files``: of the export, name -> text. ``card``: markdown about it.
        graphs: runs its graphs.
        confident: the probability from which a row leaves at an exit; None: rows climb the whole trunk.

    Raises:
        ExportedError: no task has exits to leave at.
    """

    def __init__(
        self,
        manifest: Manifest,
        files: Mapping[str, str],
        graphs: Pass,
        *,
        card: str = "",
        confident: float | None = None,
    ) -> None:
        self.manifest, self.card, self._graphs, self._confident = manifest, card, graphs, confident
        if confident is not None and not any(task.exits for task in manifest.tasks.values()):
            raise ExportedError("no task of this export has exits to leave at: unisono exits RUN, then export --exits")
        self._inputs = Inputs.of(manifest, files)
        self.heads: dict[str, Head] = {
            name: HEADS[task.kind](task, files, partial(graphs.run, task.step) if task.step else None)
            for name, task in manifest.tasks.items()
        }

    @classmethod
    def load(cls, path: str | Path, *, threads: int | None = None, confident: float | None = None) -> Runtime:
        """The export in a folder, or in one file.

        Args:
            threads: for one operator of the encoder; None: as many as there are cores.
            confident: see the class.

        Raises:
            ExportedError: there is none, it is damaged, or ONNX Runtime is not installed.
        """
        bundle = Bundle.open(path)
        graphs = (OneGraph if bundle.one_file else Graphs)(bundle, threads)
        return cls(bundle.manifest, bundle.files, graphs, card=bundle.card, confident=confident)

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Name -> task."""
        return self.manifest.tasks

    @property
    def text_tasks(self) -> list[str]:
        """The tasks whose one input is a text."""
        return [name for name, task in self.tasks.items() if len(task.inputs) == 1 and task.stems == ("text",)]

    def head(self, task: str) -> Head:
        """
        Raises:
            NoTask: there is no such task.
        """
        if task not in self.heads:
            near = get_close_matches(task, self.heads, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(self.heads)}"
            raise NoTask(f'this export has no task "{task[:100]}"; {hint}')
        return self.heads[task]

    def predict(self, task: str, rows: Iterable[Row | str], **options: Any) -> list[Prediction]:
        """Predictions for rows, in their order.

        Args:
            rows: mappings with the task's input roles; a plain string stands for its one text (for a tagger: its words,
                split at white space; of an image or a sound, its file).
            options: of tasks that write: ``beams``, ``max_new``, ``min_new``, ``language``.

        Raises:
            NoTask: no such task. BadInput: a row without the input it needs, or with one that cannot be read.
            ExportedError: an option that the task does not have.
        """
        head = self.head(task)
        if reason := strange(head, options):
            raise ExportedError(reason)
        questions = [Question(task, row_of(head, row, at), options) for at, row in enumerate(rows)]
        out: list[Prediction] = []
        at_once = _AT_ONCE[bool(FILES & set(head.task.stems))]
        for start in range(0, len(questions), at_once):
            for at, answer in enumerate(self._whole(questions[start : start + at_once])):
                if isinstance(answer, Unanswerable):
                    raise BadInput(task, start + at, answer.reason)
                out.append(answer)
        return out

    def predict_all(self, text: str | Sequence[str], **options: Mapping[str, Any]) -> Any:
        """Every text task's prediction from one pass through the encoder.

        Args:
            text: one sentence or several. Taggers see its words: runs of letters and digits, and single other signs.
            options: task -> options of its head, such as ``{"en-de": {"beams": 4}}``; also by keyword.

        Returns:
            task -> prediction (a tagger's also has ``words``); for several sentences, a list of these.

        Raises:
            ExportedError: no task's one input is a text, or an option that a task does not have.
        """
        tasks = self.text_tasks
        if not tasks:
            every = ", ".join(self.tasks)
            raise ExportedError(
                f"no task of this export takes a sentence alone; ask one by its name, with rows: {every}"
            )
        for name, asked in options.items():
            if reason := strange(self.head(name), asked):
                raise ExportedError(reason)
        texts = [text] if isinstance(text, str) else list(text)
        out: list[dict[str, Prediction]] = []
        for start in range(0, len(texts), _AT_ONCE[False]):
            out += self._all(texts[start : start + _AT_ONCE[False]], tasks, options)
        return out[0] if isinstance(text, str) else out

    def _all(
        self, texts: Sequence[str], tasks: Sequence[str], options: Mapping[str, Mapping[str, Any]]
    ) -> list[dict[str, Prediction]]:
        for at, text in enumerate(texts):
            if not isinstance(text, str) or len(text) > MOST_TEXT:
                raise BadInput(tasks[0], at, f"a text of at most {MOST_TEXT:,} characters is expected")
        most = self.manifest.max_length
        seen = [self._inputs.text.tokens_of_text(text, most=most) for text in texts]
        questions, encoded = [], []
        for text, tokens in zip(texts, seen, strict=True):
            for name in tasks:
                questions.append(Question(name, {self.tasks[name].inputs[0]: text}, options.get(name, {})))
                encoded.append([{"ids": tokens.ids, "words": tokens.words}])
        out: list[dict[str, Prediction]] = [{} for _ in texts]
        found = _last(
            answers(self.heads, self._inputs, self._graphs, questions, encoded, self._confident), len(questions)
        )
        for number, prediction in enumerate(found):
            at, name = number // len(tasks), tasks[number % len(tasks)]
            if isinstance(prediction, Unanswerable):
                raise ExportedError(prediction.reason)
            out[at][name] = {"words": seen[at].strings, **prediction} if self.heads[name].words else prediction
        return out

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer | None]:
        """Answers to questions of several tasks as they are found; None after a piece of work that gave none, so that
        other work may come between. See ``answering.answers``.
        """
        encoded: list[Any] = [f'no task "{question.task[:100]}"' for question in questions]
        for task, rows in rows_of(questions).items():
            if task in self.heads:
                made = read(self.heads[task], self._inputs, [row for _, row in rows])
                for (at, _), each in zip(rows, made, strict=True):
                    encoded[at] = strange(self.heads[task], questions[at].options) or each
        yield from answers(self.heads, self._inputs, self._graphs, questions, encoded, self._confident)

    def _whole(self, questions: Sequence[Question]) -> list[Prediction | Unanswerable]:
        return _last(self.answers(questions), len(questions))


def _last(given: Iterator[Answer | None], count: int) -> list[Prediction | Unanswerable]:
    """The last answer to each question."""
    found: list[Prediction | Unanswerable] = [Unanswerable("no answer")] * count
    for answer in given:
        if answer is not None and answer.last:
            found[answer.at] = answer.found
    return found
