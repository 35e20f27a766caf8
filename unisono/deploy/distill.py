"""distill: trained models as teachers: the loss that training is handed in place of the labels' own.

Of a unit (a row, a word, a token) that its teacher can speak of, the loss is

    (1 - λ) (soft + w hidden) + λ gold

``soft``: T² KL(teacher ‖ student) of outputs softened by T, and the squared error of numbers (Hinton et al. 2015,
https://arxiv.org/abs/1503.02531, section 2), by each head's own ``distill``. ``gold``: the head's own loss; a unit
without a label has none of it. λ goes in a straight line from 0 to 1 over training (teacher annealing: Clark et al.
2019, BAM, https://arxiv.org/abs/1907.04829; with T = 1 the gradient is that of their mixed target), or stands still.
``hidden``: see ``unisono.deploy.hidden``. A task's teacher may be a model of that task alone, or of many.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from unisono.batch import Batch
from unisono.deploy.hidden import Hidden
from unisono.heads import Head, Loss
from unisono.inputs import Inputs
from unisono.model import MultiTaskModel
from unisono.packed import Packed
from unisono.recipe import Distill, RecipeError
from unisono.stems import Stem, TextStem


class Distillation:
    """What training is handed: states and losses of a student among its teachers. See ``unisono.train.lesson``.

    Args:
        wanted: the recipe's section.
        model: the student, before training; where a teacher is wider or narrower, its heads get what maps its states.
        teachers: task -> its frozen teacher, the same object where one teaches several. Tasks without learn as ever.
        fingerprint: of the teachers' weights.

    Raises:
        RecipeError: a teacher that does not know its task, says something else of it, or reads rows in another way.
    """

    def __init__(
        self, wanted: Distill, model: MultiTaskModel, teachers: Mapping[str, MultiTaskModel], fingerprint: str = ""
    ) -> None:
        self.fingerprint = fingerprint
        for task, teacher in teachers.items():
            _check(task, model, teacher, wanted)
        self.wanted, self.model, self.teachers = wanted, model, dict(teachers)
        self.share = 0.0 if wanted.labels == "annealed" else float(wanted.labels)  # λ
        self.hidden = {
            task: Hidden(model.head(task), model.trunk, teacher.trunk)
            for task, teacher in self.teachers.items()
            if wanted.hidden
        }
        self._pass: tuple[Batch, ...] = ()
        self._said: dict[int, tuple[Packed, list[Packed]]] = {}  # of the last pass: id of a teacher -> its states

    @property
    def whole(self) -> frozenset[str]:
        """The tasks of which rows without a label are learned from too."""
        return frozenset(t for t in self.teachers if type(self.model.head(t)).supposed is not Head.supposed)

    def begin(self, progress: float) -> None:
        """A step begins, at ``progress`` from 0 to 1 of the run."""
        if self.wanted.labels == "annealed":
            self.share = progress

    def units(self, batch: Batch) -> int:
        """What a batch's loss is a sum over: of a task with a teacher, all that it can speak of."""
        head = self.model.head(batch.task)
        return head.units(head.supposed(batch.targets) if batch.task in self.teachers else batch.targets)

    def states(self, batches: Sequence[Batch]) -> Packed:
        """The student's states (N, D); where hidden states are compared, those of all layers (N, (L + 1) D), the last
        layer's first, so that the gradient of each finds its way back as one.
        """
        self._pass, self._said = tuple(batches), {}
        if not any(batch.task in self.hidden for batch in batches):
            return self.model.states_of(batches)
        last, below = self._all(self.model, batches[0].inputs)
        return last.like(torch.cat([last.values, *(x.values for x in below)], dim=-1))

    def loss(self, states: Packed, batch: Batch) -> Loss:
        """States as ``states`` gives them -> the sum of a batch's losses over its units."""
        width = self.model.trunk.width
        layers = [states.like(part) for part in states.values.split(width, dim=-1)]
        teacher = self.teachers.get(batch.task)
        if teacher is None:
            return self.model.loss_of(layers[0], batch)
        head, units, total = self.model.head(batch.task), self.units(batch), None
        if self.share < 1:
            said, below = self._taught(teacher, batch)
            soft = head.distill(
                layers[0], head.supposed(batch.targets), teacher.head(batch.task), said,
                temperature=self.wanted.temperature,
            ).total  # fmt: skip
            if batch.task in self.hidden:
                apart = self.hidden[batch.task]([*layers[1:], layers[0]], [*below, said])
                soft = soft + self.wanted.hidden * units * apart
            total = (1 - self.share) * soft
        if self.share > 0:
            gold = self.share * self.model.loss_of(layers[0], batch).total
            total = gold if total is None else total + gold
        assert isinstance(total, Tensor)
        return Loss(total, units)

    def _taught(self, teacher: MultiTaskModel, batch: Batch) -> tuple[Packed, list[Packed]]:
        """The teacher's states of a pass, for all of its tasks in it at once: the last and, if wanted, those below."""
        if all(batch.inputs is not one.inputs for one in self._pass):
            self._pass, self._said = (batch,), {}
        if id(teacher) not in self._said:
            own = [one for one in self._pass if self.teachers.get(one.task) is teacher]
            with torch.no_grad():
                if self.hidden:
                    self._said[id(teacher)] = self._all(teacher, batch.inputs)
                else:
                    self._said[id(teacher)] = teacher.states_of(own), []
        return self._said[id(teacher)]

    @staticmethod
    def _all(model: MultiTaskModel, inputs: Inputs) -> tuple[Packed, list[Packed]]:
        """The states of the last layer, and those below: of the embeddings and of every layer but the last."""
        last, below = model.trunk(model.embed(inputs), inputs.types, layers=True)
        return last, below[:-1]


def _check(task: str, model: MultiTaskModel, teacher: MultiTaskModel, wanted: Distill) -> None:
    run, head = wanted.of(task), model.head(task)
    if type(head).distill is Head.distill:
        raise RecipeError(f'distill: the head of task "{task}" cannot be distilled; write teachers: {{{task}: null}}')
    if teacher.tasks[task].stems != model.tasks[task].stems:
        raise RecipeError(
            f'distill.teachers: {run} learned task "{task}" from {", ".join(teacher.tasks[task].stems)}, the recipe '
            f"from {', '.join(model.tasks[task].stems)}: both must read the same inputs"
        )
    for name, stem in model.stems_of(task).items():
        if not _alike(stem, teacher.stems_of(task)[name]):
            raise RecipeError(
                f"distill.teachers: {run} takes {name} apart in another way than the student, and cannot share its "
                f"packs; begin the student from it, as trunk: {{pretrained: {run}, keep: 3}}, or make it "
                "from scratch, as trunk: {layers: 3, width: 192, heads: 6}: it then takes over the tokenizer"
            )
    able = teacher.trunk.positions
    most = model.tasks[task].max_length or max(s.most for s in model.stems_of(task).values())
    if able is not None and most > able and "text" in model.stems:
        raise RecipeError(
            f'distill.teachers: {run} knows {able} positions, but task "{task}" may have {most} tokens: set '
            f"trunk.max_length to {able}"
        )


def _alike(ours: Stem, theirs: Stem) -> bool:
    """Whether two stems make the same tokens of the same row; how many a text may have is the student's to say."""
    if isinstance(ours, TextStem) and isinstance(theirs, TextStem):
        return _bare(ours) == _bare(theirs)
    return type(ours) is type(theirs) and ours.key() == theirs.key()


def _bare(stem: TextStem) -> dict[str, Any]:
    """A stem's tokenizer, without how long its last call was to cut and to pad."""
    return json.loads(stem.tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
