"""MultiTaskModel: stems -> trunk -> heads. The one forward path that training, evaluation and prediction share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unisono import saved
from unisono.batch import Batch
from unisono.batcher import Batcher
from unisono.device import device_of
from unisono.heads import Example, Head, Loss, Prediction, Row
from unisono.inputs import Inputs
from unisono.packed import Packed, passes
from unisono.runtime.errors import BadRow
from unisono.runtime.questions import Question, Unanswerable
from unisono.saved import ModelError
from unisono.stems import Hiding, Stem
from unisono.tasks import Task
from unisono.together import answers_of
from unisono.trunk import Trunk, merged_state

BESIDE = "beside"  # a part of a head that only training has: it is not saved with the model


class BadInput(BadRow, ModelError):
    """One row of a request cannot be used: ``at``, its number, and ``reason``."""


class MultiTaskModel(Batcher):
    """One shared trunk, one head a task.

    Args:
        stems: name -> what turns one kind of input into vectors for the trunk.
        trunk: the shared encoder.
        heads: task -> its decoder.
        tasks: task -> how its input is read; the same names as ``heads``.
    """

    def __init__(
        self, stems: Mapping[str, Stem], trunk: Trunk, heads: Mapping[str, Head], tasks: Mapping[str, Task]
    ) -> None:
        super().__init__()
        self.stems = nn.ModuleDict(dict(stems))
        # What tells the trunk which kind of input a vector is of; text, which pretrained trunks know, has none.
        self.marks = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(trunk.input_width) * 0.02) for name in stems if name != "text"}
        )
        self.trunk = trunk
        self.heads = nn.ModuleDict(dict(heads))
        self.tasks = dict(tasks)
        for stem in (stem for name in tasks if heads[name].hides for stem in self.stems_of(name).values()):
            assert isinstance(stem, Hiding)
            stem.learn_mask()
        self.card = ""  # the README.md of the saved folder

    @property
    def rates(self) -> dict[str, float]:
        """How the names of some parameters begin -> the learning rate that a stem asks for them."""
        return {f"stems.{n}.{start}": lr for n in self.stems for start, lr in self.stem(n).rates.items()}

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    # -- the forward path ------------------------------------------------------------------------------------------

    def embed(self, inputs: Inputs) -> Packed:
        """The pack that goes into the trunk (N, D_in)."""
        values: Tensor | None = None
        for name, part in inputs.parts.items():
            own = self.stem(name).embed(part.fields, part.layout)
            if name in self.marks:
                own = own + self.marks[name]
            if part.places is None:
                return Packed(own, inputs.layout)
            if values is None:
                values = own.new_zeros(inputs.layout.total, own.shape[1])
            values = values.index_copy(0, part.places, own)
        assert values is not None
        return Packed(values, inputs.layout)

    def states(self, inputs: Inputs, *, first: bool = False) -> Packed:
        """The trunk's states (N, D) of a pack, or with ``first`` those of first vectors alone (B, D)."""
        out = self.trunk(self.embed(inputs), inputs.types, first=first)
        assert isinstance(out, Packed)
        return out

    def states_of(self, batches: Sequence[Batch]) -> Packed:
        """The trunk's states for one batch, or for several over the same rows."""
        first = all(self.head(batch.task).first_only for batch in batches)
        return self.states(batches[0].inputs, first=first)

    def loss_of(self, states: Packed, batch: Batch) -> Loss:
        """States (N, D) -> the sum of a batch's losses and the number of its labelled units."""
        return self.head(batch.task).loss(states, batch.targets)

    def units_of(self, batch: Batch) -> int:
        """How many labelled units a batch has."""
        return self.head(batch.task).units(batch.targets)

    def forward(self, batch: Batch) -> Loss:
        """A batch on the model's device -> the sum of its losses and the number of labelled units."""
        return self.loss_of(self.states_of([batch]), batch)

    def distill(self, states: Packed, batch: Batch, teacher: MultiTaskModel) -> Loss:
        """The loss of a task that is held to what a frozen earlier model says of the batch, in place of its labels."""
        with torch.no_grad():
            taught = teacher.states_of([batch])
        return self.head(batch.task).distill(states, batch.targets, teacher.head(batch.task), taught)

    # -- predictions -----------------------------------------------------------------------------------------------

    def predict(
        self, task: str, rows: Iterable[Row | str], *, tokens_per_batch: int = 4096, **options: Any
    ) -> list[Prediction]:
        """Predictions for rows, in their order.

        Args:
            task: one of ``self.tasks``.
            rows: mappings with the task's input roles; a plain string stands for its one text (for a tagger: its words,
                split at white space).
            options: of the head, such as ``beams=4`` or ``language="de"`` for translation.

        Raises:
            ModelError: no such task. BadInput: a row without the input it needs, or with one that cannot be read.
        """
        inputs = [self._row(task, row, at) for at, row in enumerate(rows)]
        examples: list[Example] = []
        source: list[int] = []
        for at, made in enumerate(self.encode(task, inputs)):
            if isinstance(made, str):
                raise BadInput(task, at, made)
            several = made if isinstance(made, list) else [made]
            examples += several
            source += [at] * len(several)
        out: list[Prediction | None] = [None] * len(examples)
        for places in passes([self.length(task, e) for e in examples], tokens_per_batch):
            found = self.predict_examples(task, [examples[i] for i in places], **options)
            for place, prediction in zip(places, found, strict=True):
                out[place] = prediction
        found = [p for p in out if p is not None]
        return [prediction for _, prediction in self.merged(task, source, found, inputs.__getitem__)]

    def merged(
        self, task: str, source: Sequence[int], found: Sequence[Prediction], row_of: Callable[[int], Row]
    ) -> Iterator[tuple[int, Prediction]]:
        """(row number, prediction) of each row, from the predictions of its examples.

        Args:
            source: the row number of each example, ascending.
            row_of: a row by its number.
        """
        head = self.head(task)
        for at, parts in groupby(zip(source, found, strict=True), key=itemgetter(0)):
            yield at, head.merge(row_of(at), [prediction for _, prediction in parts])

    @torch.inference_mode()
    def predict_examples(
        self, task: str, examples: Sequence[Mapping[str, np.ndarray]], **options: Any
    ) -> list[Prediction]:
        """Predictions for encoded examples, as one pack. Where a row has several, see ``merged``."""
        training = self.training
        self.eval()
        try:
            batch = self.collate(task, examples).to(self.device)
            return batch.restore(self.head(task).predict(self.states_of([batch]), batch.targets, **options))
        finally:
            self.train(training)

    def predict_all(self, text: str | Sequence[str], **options: Mapping[str, Any]) -> Any:
        """Every text task's prediction from one pass through the trunk, but for tasks of hidden text: one more each.

        Args:
            text: one sentence or several. Taggers see its words: runs of letters and digits, and single other signs.
            options: task name -> options of its head, such as ``{"en-de": {"beams": 4}}``; also by keyword.

        Returns:
            task -> prediction (a tagger's also has ``words``); for several sentences, a list of these.

        Raises:
            ModelError: no task's one input is a text.
        """
        if not self.text_tasks:
            tasks = ", ".join(self.tasks)
            raise ModelError(f"no task of this model takes a sentence alone; ask one by its name, with rows: {tasks}")
        texts = [text] if isinstance(text, str) else list(text)
        found = self._predict_all(texts, options)
        return found[0] if isinstance(text, str) else found

    @property
    def text_tasks(self) -> list[str]:
        """The tasks whose one input is a text."""
        return [n for n, spec in self.tasks.items() if list(self.stems_of(n)) == ["text"] and len(spec.inputs) == 1]

    @torch.inference_mode()
    def _predict_all(self, texts: list[str], options: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Prediction]]:
        training = self.training
        self.eval()
        out: list[dict[str, Prediction]] = [{} for _ in texts]
        try:
            read = [self.text.tokens_of_text(text) for text in texts]
            for at in passes([len(r.ids) for r in read], 4096):
                asked = [(i, name) for i in at for name in self.text_tasks]
                questions = [Question(n, {self.tasks[n].inputs[0]: texts[i]}, options.get(n, {})) for i, n in asked]
                tokens: list[Example] = [{"ids": read[i].ids, "words": read[i].words} for i, _ in asked]
                encoded = [{**own, **self.head(n).encode({}, own)} for own, (_, n) in zip(tokens, asked, strict=True)]
                for answer in answers_of(self, questions, list(enumerate(encoded))):
                    if answer is None or not answer.last:
                        continue
                    if isinstance(answer.found, Unanswerable):  # an option that its head does not have
                        raise ValueError(answer.found.reason)
                    i, name = asked[answer.at]
                    words = {"words": read[i].strings} if self.tasks[name].kind.words else {}
                    out[i][name] = {**words, **answer.found}
            return [{name: found[name] for name in self.text_tasks} for found in out]
        finally:
            self.train(training)

    def _row(self, task: str, row: Row | str, at: int) -> Row:
        self.head(task)
        spec = self.tasks[task]
        needed = spec.inputs
        if isinstance(row, str):
            row = {needed[0]: row.split() if spec.kind.words else row}
        absent = [name for name in needed if not row.get(name)]
        if absent and (len(absent) == len(needed) or not spec.kind.any_input):
            missing = f'"{absent[0]}" is' if len(absent) == 1 else f"{' and '.join(absent)} are"
            raise BadInput(task, at, f"{missing} missing or empty; it has {sorted(row)}")
        seen = (*spec.kind.inputs, *spec.kind.told)  # a label is not looked at
        return {name: row[name] for name in seen if row.get(name) is not None}

    # -- folders ---------------------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder in the Hugging Face layout, whole or not at all: config, weights, tokenizer, README.md.

        LoRA's adapters are merged into the weights: the folder is that of a plain model.
        """
        stems, heads = {n: self.stem(n) for n in self.stems}, {n: self.head(n) for n in self.tasks}
        kept = {n: t for n, t in merged_state(self).items() if f".{BESIDE}." not in n}
        saved.write(Path(folder), saved.Parts(stems, self.trunk, heads, self.tasks, self.card), kept)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> MultiTaskModel:
        """Loads a folder that ``save_pretrained`` wrote, ready to predict.

        Raises:
            ModelError: there is none, it is damaged, or ``device`` is not here.
        """
        folder = Path(folder)
        try:
            place = device_of(str(device))
        except ValueError as error:
            raise ModelError(f"device: {error}") from None
        config = saved.read_config(folder)
        with saved.damage_told(folder):
            parts = saved.read_parts(folder, config)
            model = cls(parts.stems, parts.trunk, parts.heads, parts.tasks)
        model.card = parts.card
        try:
            model.load_state_dict(saved.read_weights(folder))
        except RuntimeError as error:
            why = str(error).splitlines()[-1].strip()
            raise ModelError(f"{folder}: the weights do not fit config.json: {why}") from None
        return model.to(place).eval()
