"""Engine: what the server asks of whatever answers, a model in PyTorch or an exported one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from unisono.runtime import Runtime, is_export
from unisono.runtime.questions import Answer, Question
from unisono.serve.errors import ServeError
from unisono.serve.faces import Face, face_of, face_of_export


class Engine(Protocol):
    """Answers questions. Every member but ``answers`` may be used from any thread."""

    @property
    def faces(self) -> Mapping[str, Face]:
        """Task -> what it takes."""

    @property
    def card(self) -> str:
        """Markdown about the model."""

    @property
    def report(self) -> str | None:
        """The page about its training, HTML."""

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer | None]:
        """See ``unisono.together.answers``. Called from one thread alone."""


class ModelEngine:
    """A model in PyTorch.

    Args:
        folder: of a model, or of a run.
        threads: of PyTorch; None: as many as there are cores.

    Raises:
        ModelError: there is no model, or it is damaged. ServeError: a task has the name of a path.
    """

    def __init__(self, folder: str | Path, *, device: str = "cpu", threads: int | None = None) -> None:
        import torch

        from unisono import api
        from unisono.together import answers

        if threads:
            torch.set_num_threads(threads)
        self.model, self._answers = api.load(folder, device=device), answers
        self.faces = {name: face_of(name, task, type(self.model.head(name))) for name, task in self.model.tasks.items()}
        _check(self.faces)
        self.card = self.model.card
        page = Path(folder) / "report.html"
        self.report = page.read_text(encoding="utf-8") if page.is_file() else None

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer | None]:
        return self._answers(self.model, questions)


class RuntimeEngine:
    """An export on ONNX Runtime; no torch is imported.

    Args:
        path: of an exported folder, or of one file.
        threads: for one operator; None: as many as there are cores.
        confident: the probability from which a row leaves at an exit of its task; None: none does.

    Raises:
        ExportedError: there is no export, or it is damaged. ServeError: a task has the name of a path.
    """

    report = None

    def __init__(self, path: str | Path, *, threads: int | None = None, confident: float | None = None) -> None:
        self.runtime = Runtime.load(path, threads=threads, confident=confident)
        self.faces = {name: face_of_export(head) for name, head in self.runtime.heads.items()}
        _check(self.faces)
        self.card = self.runtime.card

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer | None]:
        return self.runtime.answers(questions)


def engine_of(
    path: str | Path, *, device: str = "cpu", threads: int | None = None, confident: float | None = None
) -> Engine:
    """What answers for a run, a model or an export.

    Raises:
        ServeError: an export on another device than the processor, or exits of a model that is none.
    """
    if is_export(path):
        if device not in ("cpu", "auto"):
            raise ServeError(f"{path}: an export runs on the processor; leave out --device {device}")
        return RuntimeEngine(path, threads=threads, confident=confident)
    if confident is not None:
        raise ServeError(f"{path}: rows leave early in exports alone: unisono export {path} --exits, then serve that")
    return ModelEngine(path, device=device, threads=threads)


def _check(faces: Mapping[str, Face]) -> None:
    if "all" in faces:
        raise ServeError('a task is called "all", as the path that asks every task; give it another name')
