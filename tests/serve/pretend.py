"""An engine without a model: it answers when it is let, and remembers what it was asked together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from unisono.heads.classify import Classify
from unisono.heads.translate import Translate
from unisono.kinds import kinds
from unisono.runtime.questions import Answer, Question, Unanswerable
from unisono.serve.faces import face_of
from unisono.tasks import Task


def task(name: str, kind: str) -> Task:
    return Task(name, kinds()[kind], kinds()[kind].head.Options())


class Pretend:
    """``label`` answers at once, ``say`` in steps, one for each word of its source.

    Args:
        name: part of every answer. ``open``: whether passes may begin; ``hold`` closes it.
    """

    def __init__(self, name: str = "a") -> None:
        self.name, self.card, self.report = name, "# a model", None
        self.faces = {
            "label": face_of("label", task("label", "classify"), Classify),
            "say": face_of("say", task("say", "translate"), Translate),
        }
        self.asked: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.steps = threading.Semaphore(10**6)  # of ``say``, those that may be taken

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer | None]:
        self.asked.append([q.task for q in questions])
        self.gate.wait()
        for at, question in enumerate(questions):
            text = next(iter(question.row.values()))
            if text == "break":
                raise RuntimeError("broken on purpose")
            if question.task == "label":
                yield Answer(at, Unanswerable("no") if text == "bad" else {"label": f"{self.name}:{text}"})
        for at, question in enumerate(questions):
            if question.task == "say":
                said: list[str] = []
                for word in question.row["source"].split():
                    while not self.steps.acquire(blocking=False):
                        yield None
                    said.append(word)
                    yield Answer(at, {"text": " ".join(said)}, last=False) if question.partial else None
                yield Answer(at, {"text": " ".join(said)})
