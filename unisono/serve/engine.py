"""Engine: what the server asks of whatever answers, a model in PyTorch or an exported one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch

from unisono import api
from unisono.runtime.questions import Answer, Question
from unisono.serve.errors import ServeError
from unisono.serve.faces import Face, face_of
from unisono.together import answers


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
        if threads:
            torch.set_num_threads(threads)
        self.model = api.load(folder, device=device)
        if "all" in self.model.tasks:
            raise ServeError('a task is called "all", as the path that asks every task; give it another name')
        self.faces = {name: face_of(name, task, type(self.model.head(name))) for name, task in self.model.tasks.items()}
        self.card = self.model.card
        page = Path(folder) / "report.html"
        self.report = page.read_text(encoding="utf-8") if page.is_file() else None

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer | None]:
        return answers(self.model, questions)
