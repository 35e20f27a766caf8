"""exits: classifiers between the trunk's layers, at which a row that is already sure leaves.

Trained as in DeeBERT (Xin et al. 2020, https://arxiv.org/abs/2004.12993): in a second stage, when the model is
trained, the trunk and the last classifier stand still, and each exit learns the labels from the states of its layer. It
sees the mean of a row's states, where DeeBERT's sees the first: below the last layers, that has gathered little yet. A
row leaves where its most likely label has at least the asked probability, as in Schwartz et al. 2020
(https://arxiv.org/abs/2004.07453); DeeBERT itself asks for little entropy. Who leaves is taken out of the pack: the
layers above do less.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unisono import files
from unisono.heads import Head, Prediction
from unisono.heads.classify import Classify
from unisono.heads.readout import Pool, pool
from unisono.model import MultiTaskModel
from unisono.origin import model_folder
from unisono.packed import Layout, Packed, passes
from unisono.saved import ModelError
from unisono.trunk import climb, layers_of

Examples = Sequence[Mapping[str, np.ndarray]]
FOLDER, EPOCHS, BATCH, RATE = "exits", 10, 128, 1e-3
POOL: Pool = "mean"
NEVER = 2.0  # a probability that no row has


@dataclass(frozen=True)
class Exits:
    """The exits of one task: the number of layers below each, 1 to L - 1, ascending -> its classifier."""

    task: str
    heads: Mapping[int, Classify]


def check(model: MultiTaskModel, task: str, layers: Sequence[int] | None = None) -> tuple[int, ...]:
    """The layers after which a task may be left: those asked for, or all but the last.

    Raises:
        ModelError: the task or the trunk is of another kind, or there are no such layers.
    """
    head = model.head(task)
    if not isinstance(head, Classify) or head.options.multi:
        raise ModelError(f'task "{task}": exits are for tasks of kind classify with one label a row')
    if model.tasks[task].sides or model.tasks[task].stride is not None:
        raise ModelError(f'task "{task}": exits are for rows of one sequence')
    try:
        total = len(layers_of(model.trunk.encoder))
    except ValueError:
        raise ModelError(f"exits are for trunks of BERT's family, and not of {model.trunk.family}") from None
    if total == 1:
        raise ModelError("exits stand between layers, and this trunk has one layer")
    chosen = tuple(layers or range(1, total))
    if not chosen or list(chosen) != sorted({*chosen} & {*range(1, total)}):
        raise ModelError(
            f"exits stand after layers 1 to {total - 1} of {total}, in ascending order; got "
            f"{', '.join(map(str, chosen)) or 'none'}"
        )
    return chosen


def train(
    model: MultiTaskModel,
    task: str,
    examples: Examples,
    *,
    layers: Sequence[int] | None = None,
    seed: int = 1,
    on_pass: Callable[[str, int], Any] = lambda task, rows: None,
) -> Exits:
    """Exits that have learned a task's labels. The model stays as it is.

    Args:
        examples: encoded training rows; those without a label are left out.
        layers: numbers of layers below the exits; None: an exit after each but the last.
    """
    chosen, head = check(model, task, layers), model.head(task)
    known = [e for e in examples if head.units(head.collate([e]))]
    if not known:
        raise ModelError(f'task "{task}": no row has a label to train exits by')
    pooled, label = _pooled(model, task, known, chosen, on_pass)
    heads = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for at, layer in enumerate(chosen):
            heads[layer] = _taught(head, pooled[:, at], label)
    return Exits(task, heads)


@torch.no_grad()
def _pooled(
    model: MultiTaskModel, task: str, examples: Examples, layers: Sequence[int], on_pass: Callable[[str, int], Any]
) -> tuple[Tensor, Tensor]:
    """(n, E, D) what the exits see of each row, and (n,) its label; the trunk runs once, without dropout."""
    training = model.training
    seen, labels = [], []
    model.eval()
    for places in passes([model.length(task, e) for e in examples], 4096):
        batch = model.collate(task, [examples[i] for i in places]).to(model.device)
        states = climb(model.trunk, model.embed(batch.inputs), batch.inputs.types)
        each = [pool(s, POOL) for n, s in enumerate(states, 1) if n in layers]
        seen.append(torch.stack(each, dim=1))
        labels.append(batch.targets["label"])
        on_pass(task, len(places))
    model.train(training)
    return torch.cat(seen), torch.cat(labels)


def _taught(last: Head, seen: Tensor, label: Tensor) -> Classify:
    """A classifier like the last one, begun with its weights, that has learned labels (n,) from what it sees (n, D)."""
    head = _like(last, seen.shape[1])
    head.load_state_dict(last.state_dict())
    head.to(seen.device).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(label)).to(label.device).split(BATCH):
            loss = head.loss(_alone(seen[part]), {"label": label[part]})
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
    return head.requires_grad_(False).eval()


def _like(last: Head, width: int) -> Classify:
    """A classifier of an exit, of the labels and sizes of the last one."""
    head = last.make(width, last.options.model_copy(update={"pool": POOL}), last.fitted)
    assert isinstance(head, Classify)
    return head


def _alone(vectors: Tensor) -> Packed:
    """Vectors (B, D) as sequences of length 1: the first of a sequence, and the mean over it, is the vector."""
    return Packed(vectors, Layout([1] * len(vectors)))


class Early(MultiTaskModel):
    """A model whose rows may leave at exits.

    ``exits``: task -> its exits. ``confident``: the probability from which a row leaves; above 1 none does.
    """

    exits: dict[str, Exits]
    confident: float = NEVER

    @torch.inference_mode()
    def predict_examples(self, task: str, examples: Examples, **options: Any) -> list[Prediction]:
        """As of a ``MultiTaskModel``; of a task with exits, predictions have ``layers``, how many they took."""
        if task not in self.exits:
            return super().predict_examples(task, examples, **options)
        head = self.head(task)
        batch = self.collate(task, examples).to(self.device)
        out: list[Prediction] = [{}] * len(examples)
        here = list(range(len(examples)))  # the numbers in the batch of the sequences that are still in the pack
        steps = climb(self.trunk, self.embed(batch.inputs), batch.inputs.types, first=head.first_only)
        states, layer, total = next(steps), 1, len(layers_of(self.trunk.encoder))
        while layer < total:
            going = list(range(len(here)))
            if exit_ := self.exits[task].heads.get(layer):
                said = exit_.predict(_alone(pool(states, POOL)), {})
                for at, prediction in enumerate(said):
                    if prediction["score"] >= self.confident:
                        out[here[at]] = {**prediction, "layers": layer}
                going = [at for at in going if not out[here[at]]]
                here = [here[at] for at in going]
                if not here:
                    steps.close()
                    return batch.restore(out)
            states, layer = steps.send(going), layer + 1
        for at, prediction in zip(here, head.predict(states, {}), strict=True):
            out[at] = {**prediction, "layers": total}
        return batch.restore(out)


def save(exits: Exits, model: Path, told: Mapping[str, Any]) -> None:
    """Writes a task's exits into the folder of its model, whole or not at all.

    Args:
        told: plain JSON that is kept beside them.
    """
    final = model / FOLDER / exits.task
    new = final.with_name(f".{exits.task}.writing")
    new.mkdir(parents=True, exist_ok=True)
    weights = {f"{n}.{k}": t.contiguous() for n, head in exits.heads.items() for k, t in head.state_dict().items()}
    save_file(weights, new / "exits.safetensors", {"format": "pt"})
    (new / "exits.json").write_text(
        json.dumps({**told, "layers": list(exits.heads)}, indent=2) + "\n", encoding="utf-8"
    )
    files.replace_folder(new, final)


def load(folder: str | Path, *, confident: float, device: str = "cpu") -> Early:
    """The model of a run or a model's folder with all its exits.

    Raises:
        ModelError: there is no model, or no task has exits.
    """
    place = model_folder(folder)
    if place is None:
        raise ModelError(f"{folder}: no trained model here; train one with: unisono train RECIPE")
    model = Early.from_pretrained(place, device=device)
    assert isinstance(model, Early)
    model.confident, model.exits = confident, {}
    for known in sorted((place / FOLDER).glob("*/exits.json")):
        task = known.parent.name
        if task not in model.tasks:
            continue
        layers = check(model, task, json.loads(known.read_text(encoding="utf-8"))["layers"])
        model.exits[task] = Exits(task, _loaded(model, task, layers, known.with_name("exits.safetensors")))
    if not model.exits:
        raise ModelError(f"{folder}: no task has exits; train some with: unisono exits {folder}")
    return model


def leaving(folder: str | Path, task: str, *, confident: float, device: str = "cpu") -> Early:
    """The same, of which one task is asked.

    Raises:
        ModelError: there is no model, or that task has no exits.
    """
    model = load(folder, confident=confident, device=device)
    if task not in model.exits:
        raise ModelError(
            f'--confident: task "{task}" has no exits' if task else "--confident needs --task, one with exits"
        ) from None
    return model


def _loaded(model: MultiTaskModel, task: str, layers: Sequence[int], path: Path) -> dict[int, Classify]:
    last, out = model.head(task), {}
    try:
        weights = load_file(path)
        for layer in layers:
            head = _like(last, model.trunk.width)
            own = {name.partition(".")[2]: t for name, t in weights.items() if name.startswith(f"{layer}.")}
            head.load_state_dict(own)
            out[layer] = head.to(model.device).requires_grad_(False).eval()
    except Exception as error:  # safetensors raises its own kind for damaged files
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: missing, damaged or of another model ({reason}); train the exits again") from None
    return out
