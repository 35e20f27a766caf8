"""MultiTaskModel: stems -> trunk -> heads. The one forward path that training, evaluation and prediction share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unisono import __version__, files
from unisono.heads import Example, Head, Loss, Prediction, Row, Targets
from unisono.packed import Layout, Packed, passes
from unisono.recipe import nearest
from unisono.stems.text import TextStem
from unisono.tasks import Task
from unisono.trunk import Trunk, merged_state

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class ModelError(Exception):
    """A model folder that cannot be loaded, or a request that the model cannot serve; one line, with the next step."""


@dataclass(frozen=True)
class Batch:
    """Rows of one task, packed from the shortest to the longest.

    Args:
        task: its name.
        ids: (N,) int64 token ids.
        types: (N,) int64 token types of pairs, or None.
        targets: what the head collated; labels may be missing.
        order: order[b] is the place that sequence b had in the examples it was made from.
    """

    task: str
    ids: Packed
    types: Tensor | None
    targets: Targets
    order: tuple[int, ...]

    def to(self, device: torch.device) -> Batch:
        return replace(
            self,
            ids=self.ids.to(device),
            types=None if self.types is None else self.types.to(device),
            targets={name: value.to(device) for name, value in self.targets.items()},
        )

    def restore(self, things: Sequence[Any]) -> list[Any]:
        """Puts one thing a sequence back into the order of the examples."""
        out: list[Any] = [None] * len(self.order)
        for thing, place in zip(things, self.order, strict=True):
            out[place] = thing
        return out


def moved(batches: Sequence[Batch], device: torch.device) -> tuple[Batch, ...]:
    """Batches over the same rows on a device; their ids stay the same tensor."""
    first = batches[0].to(device)
    rest = (replace(batch, ids=first.ids, types=first.types).to(device) for batch in batches[1:])
    return (first, *rest)


class MultiTaskModel(nn.Module):
    """One shared trunk, one head a task.

    Args:
        stem: turns text into vectors for the trunk.
        trunk: the shared encoder.
        heads: task -> its decoder.
        tasks: task -> how its input is read; the same names as ``heads``.
    """

    def __init__(self, stem: TextStem, trunk: Trunk, heads: Mapping[str, Head], tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.stems = nn.ModuleDict({"text": stem})
        self.trunk = trunk
        self.heads = nn.ModuleDict(dict(heads))
        self.tasks = dict(tasks)
        self.card = ""  # the README.md of the saved folder

    @property
    def text(self) -> TextStem:
        stem = self.stems["text"]
        assert isinstance(stem, TextStem)
        return stem

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def head(self, task: str) -> Head:
        if task not in self.tasks:
            raise ModelError(f'this model has no task "{task}"{nearest(task, self.tasks)}')
        head = self.heads[task]
        assert isinstance(head, Head)
        return head

    # -- rows to batches, on the CPU -------------------------------------------------------------------------------

    def encode(self, task: str, rows: Sequence[Row]) -> list[Example | str]:
        """Rows as the task's encoded examples; for a row that cannot be learned, the reason instead."""
        spec, head = self.tasks[task], self.head(task)
        out: list[Example | str] = []
        for row, tokens in zip(
            rows, self.text.tokens(rows, words=spec.kind.words, max_length=spec.max_length), strict=True
        ):
            try:
                out.append({**tokens, **head.encode(row, tokens)})
            except ValueError as reason:
                out.append(str(reason))
        return out

    def collate_shared(self, examples: Mapping[str, Sequence[Mapping[str, np.ndarray] | None]]) -> tuple[Batch, ...]:
        """One batch a task over the same rows; their ids are the same tensor.

        Args:
            examples: task -> its example of each row, or None where it has none: it then has no label there. Every row
                has one of some task.
        """
        inputs = [next(e for e in row if e is not None) for row in zip(*examples.values(), strict=True)]
        stems = [{name: e[name] for name in self.text.fields if name in e} for e in inputs]
        batches: list[Batch] = []
        for task, own in examples.items():
            head = self.head(task)
            filled = [{**s, **head.encode({}, s)} if e is None else e for e, s in zip(own, stems, strict=True)]
            batch = self.collate(task, filled)
            batches.append(replace(batch, ids=batches[0].ids, types=batches[0].types) if batches else batch)
        return tuple(batches)

    def collate(self, task: str, examples: Sequence[Mapping[str, np.ndarray]]) -> Batch:
        """Examples as one pack, sorted by length so that attention meets few shapes."""
        order = sorted(range(len(examples)), key=lambda i: len(examples[i]["ids"]))
        examples = [examples[i] for i in order]
        layout = Layout(len(e["ids"]) for e in examples)
        types = None
        if any("types" in e for e in examples):
            zeros = [e["types"] if "types" in e else np.zeros(len(e["ids"]), np.int32) for e in examples]
            types = torch.from_numpy(np.concatenate(zeros).astype(np.int64))
        ids = torch.from_numpy(np.concatenate([e["ids"] for e in examples]).astype(np.int64))
        return Batch(task, Packed(ids, layout), types, self.head(task).collate(examples), tuple(order))

    # -- the forward path ------------------------------------------------------------------------------------------

    def states(self, ids: Packed, types: Tensor | None = None, *, first: bool = False) -> Packed:
        """Token ids (N,) -> the trunk's states (N, D), or with ``first`` those of first tokens alone (B, D)."""
        out = self.trunk(self.text.embed(ids), types, first=first)
        assert isinstance(out, Packed)
        return out

    def states_of(self, batches: Sequence[Batch]) -> Packed:
        """The trunk's states for one batch, or for several over the same rows."""
        first = all(self.head(batch.task).first_only for batch in batches)
        return self.states(batches[0].ids, batches[0].types, first=first)

    def loss_of(self, states: Packed, batch: Batch) -> Loss:
        """States (N, D) -> the sum of a batch's losses and the number of its labelled units."""
        return self.head(batch.task).loss(states, batch.targets)

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
            ModelError: no such task, or a row without the input it needs.
        """
        inputs = [self._row(task, row, at) for at, row in enumerate(rows)]
        spec = self.tasks[task]
        tokens = self.text.tokens(inputs, words=spec.kind.words, max_length=spec.max_length) if inputs else []
        examples: list[Example] = [{**t, **self.head(task).encode(r, t)} for r, t in zip(inputs, tokens, strict=True)]
        out: list[Prediction | None] = [None] * len(examples)
        for at in passes([len(e["ids"]) for e in examples], tokens_per_batch):
            for place, prediction in zip(
                at, self.predict_examples(task, [examples[i] for i in at], **options), strict=True
            ):
                out[place] = prediction
        return [p for p in out if p is not None]

    @torch.inference_mode()
    def predict_examples(
        self, task: str, examples: Sequence[Mapping[str, np.ndarray]], **options: Any
    ) -> list[Prediction]:
        """Predictions for encoded examples, as one pack."""
        training = self.training
        self.eval()
        try:
            batch = self.collate(task, examples).to(self.device)
            return batch.restore(self.head(task).predict(self.states_of([batch]), batch.targets, **options))
        finally:
            self.train(training)

    def predict_all(self, text: str | Sequence[str], **options: Mapping[str, Any]) -> Any:
        """Every text task's prediction from one pass through the trunk.

        Args:
            text: one sentence or several. Taggers see its words: runs of letters and digits, and single other signs.
            options: task name -> options of its head, such as ``{"en-de": {"beams": 4}}``; also by keyword.

        Returns:
            task -> prediction (a tagger's also has ``words``); for several sentences, a list of these.
        """
        texts = [text] if isinstance(text, str) else list(text)
        found = self._predict_all(texts, options)
        return found[0] if isinstance(text, str) else found

    @torch.inference_mode()
    def _predict_all(self, texts: list[str], options: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Prediction]]:
        training = self.training
        self.eval()
        out: list[dict[str, Prediction]] = [{} for _ in texts]
        try:
            read = [self.text.tokens_of_text(text) for text in texts]
            for at in passes([len(r.ids) for r in read], 4096):
                tokens = [{"ids": read[i].ids, "words": read[i].words} for i in at]
                shared: Packed | None = None
                for name in self.tasks:
                    batch = self.collate(name, [{**t, **self.head(name).encode({}, t)} for t in tokens]).to(self.device)
                    shared = shared if shared is not None else self.states(batch.ids)
                    predictions = self.head(name).predict(shared, batch.targets, **options.get(name, {}))
                    for i, prediction in zip(at, batch.restore(predictions), strict=True):
                        if self.tasks[name].kind.words:
                            prediction = {"words": read[i].strings, **prediction}
                        out[i][name] = prediction
            return out
        finally:
            self.train(training)

    def _row(self, task: str, row: Row | str, at: int) -> Row:
        self.head(task)
        spec = self.tasks[task]
        needed = [name for name, role in spec.kind.inputs.items() if role.required]
        if isinstance(row, str):
            row = {needed[0]: row.split() if spec.kind.words else row}
        missing = [name for name in needed if not row.get(name)]
        if missing:
            raise ModelError(f'task "{task}": row {at}: "{missing[0]}" is missing or empty; it has {sorted(row)}')
        return {name: row[name] for name in spec.kind.inputs if row.get(name) is not None}  # a label is not looked at

    # -- folders ---------------------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder in the Hugging Face layout, whole or not at all: config, weights, tokenizer, README.md.

        LoRA's adapters are merged into the weights: the folder is that of a plain model.
        """
        folder = Path(folder)
        new = folder.with_name(f".{folder.name}.writing")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        self.write_config(new)
        save_file(
            {n: t.detach().cpu().contiguous() for n, t in merged_state(self).items()}, new / WEIGHTS, {"format": "pt"}
        )
        files.replace_folder(new, folder)

    def write_config(self, folder: Path) -> None:
        """Everything but the weights."""
        config = {
            "model_type": "unisono",
            "architectures": ["MultiTaskModel"],
            "unisono_version": __version__,
            "trunk": self.trunk.config_dict(),
            "stems": {"text": {"max_length": self.text.max_length}},
            "tasks": {name: task.config() for name, task in self.tasks.items()},
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / "heads").mkdir(exist_ok=True)
        for name in self.tasks:
            fitted = json.dumps(self.head(name).fitted, ensure_ascii=False)
            (folder / "heads" / f"{name}.json").write_text(fitted, encoding="utf-8")
        self.text.save(folder)
        (folder / "README.md").write_text(self.card or f"# {', '.join(self.tasks)}\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> MultiTaskModel:
        """Loads a folder that ``save_pretrained`` wrote, ready to predict."""
        folder = Path(folder)
        model = cls.from_config(folder)
        try:
            weights = load_file(folder / WEIGHTS)
        except FileNotFoundError:
            raise ModelError(f"{folder}: {WEIGHTS} is missing") from None
        except Exception as error:  # safetensors raises its own kind for damaged files
            raise ModelError(f"{folder}/{WEIGHTS}: damaged ({error}); copy the model again") from None
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ModelError(
                f"{folder}: the weights do not fit config.json: {str(error).splitlines()[-1].strip()}"
            ) from None
        return model.to(device).eval()

    @classmethod
    def from_config(cls, folder: Path) -> MultiTaskModel:
        """The model of a folder with fresh weights."""
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(
                f"{folder}: no model here ({CONFIG} is missing); train one with: unisono train RECIPE"
            ) from None
        except ValueError as error:
            raise ModelError(f"{folder}/{CONFIG}: not JSON ({error})") from None
        if config.get("model_type") != "unisono":
            raise ModelError(f'{folder}: model_type is "{config.get("model_type")}", not "unisono"')
        trunk, embedding = Trunk.from_config(config["trunk"])
        stem = TextStem(TextStem.load_tokenizer(folder), embedding, config["stems"]["text"]["max_length"])
        tasks = {name: Task.from_config(name, task) for name, task in config["tasks"].items()}
        heads = {}
        for name, task in tasks.items():
            fitted = json.loads((folder / "heads" / f"{name}.json").read_text(encoding="utf-8"))
            heads[name] = task.kind.head(trunk.width, task.options, fitted)
        model = cls(stem, trunk, heads, tasks)
        readme = folder / "README.md"
        model.card = readme.read_text(encoding="utf-8") if readme.exists() else ""
        return model
