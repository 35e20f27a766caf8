"""classify: one label, or several, for a whole sequence or pair of sequences.

A small perceptron over one vector per sequence. Devlin et al. 2019, section 4.1 (https://arxiv.org/abs/1810.04805).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.distill import TEMPERATURE, soft_classes, soft_labels
from unisono.heads.mixed import of_both, with_others
from unisono.heads.names import unknown
from unisono.heads.r_drop import TWICE, between_classes, between_labels, marked
from unisono.heads.readout import Pool, Readout, pool
from unisono.packed import Packed


class ClassifyOptions(base.RowOptions):
    """What a recipe may say about a classification head."""

    only_with: ClassVar[base.OnlyWith] = {"hidden": ("layers", base.MANY), "threshold": ("multi", True)}

    multi: bool = Field(False, description="several labels may hold at once: one sigmoid per label, no softmax")
    labels: tuple[str, ...] | None = Field(
        None, description="the label names, in order; default: those of the data, sorted"
    )
    pool: Pool = Field("first", description="what stands for a sequence: its first token, or the mean of all")
    layers: int = Field(1, ge=0, description="hidden layers")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layers; default: the trunk's")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all labels")
    class_weights: Literal["balanced"] | None = Field(None, description="balanced: rare labels weigh more in the loss")
    threshold: float = Field(0.5, gt=0, lt=1, description="with multi: the probability from which a label is predicted")

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if labels is not None and (not labels or len(set(labels)) < len(labels)):
            raise ValueError(f"labels must be distinct names, at least one, got {list(labels)}")
        return labels


class Classify(Head):
    """Softmax classifier, or with ``multi`` one sigmoid per label.

    A row's label is a name; with ``multi`` a list of the names that hold, or ``{name: True, False or None}`` where only
    some labels are known. ``None`` is a missing label.

    ``fitted``: ``labels`` (V names in the order of the logits), ``counts`` (V: training rows with the label), ``known``
    (V: training rows that say whether it holds).
    """

    Options: ClassVar[type[base.Options]] = ClassifyOptions
    labels_in: ClassVar[tuple[str, ...]] = ("label",)

    options: ClassifyOptions

    def __init__(self, width: int, options: ClassifyOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.first_only, self.mixup, self.r_drop = options.pool == "first", options.mixup, options.r_drop
        self.labels: tuple[str, ...] = tuple(fitted["labels"])
        self._number = {name: i for i, name in enumerate(self.labels)}
        self.readout = Readout(
            width, len(self.labels), layers=options.layers, hidden=options.hidden, dropout=options.dropout
        )
        self.weights: Tensor | None  # (V,)
        self.register_buffer("weights", self._weights(), persistent=False)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: ClassifyOptions) -> dict[str, Any]:
        counts: Counter[str] = Counter()  # rows in which a label holds
        singly: Counter[str] = Counter()  # rows that say of a label, but not of all, whether it holds
        whole = 0  # rows that say it of every label
        for row in rows:
            label = row.get("label")
            try:
                said = _said(label, options.multi)
            except UnfitRow:
                continue  # encode will say so, once, with the row's number
            counts.update(name for name, holds in said.items() if holds)
            if isinstance(label, Mapping):
                singly.update(said.keys())
            elif label is not None:
                whole += 1
        names = sorted(counts.keys() | singly.keys()) if options.labels is None else list(options.labels)
        if not names:
            raise ValueError(
                "no training row has a label; see where the label comes from, or name labels under head.labels"
            )
        if len(names) == 1 and not options.multi:
            raise ValueError(f'every training row has the label "{names[0]}": there is nothing to tell apart')
        return {"labels": names, "counts": [counts[n] for n in names], "known": [whole + singly[n] for n in names]}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``label``: (1,) the label's number; with ``multi`` (V,) 1, 0 or missing."""
        label = row.get("label")
        said = _said(label, self.options.multi)
        for name in said:
            if name not in self._number:
                raise unknown("label", name, self.labels)
        if not self.options.multi:
            return {"label": np.array([self._number[n] for n in said] or [MISSING], dtype=np.int32)}
        # A list of the labels that hold denies all others; a mapping says nothing of those that it leaves out.
        rest = MISSING if label is None or isinstance(label, Mapping) else 0
        out = np.full(len(self.labels), rest, dtype=np.int32)
        for name, holds in said.items():
            out[self._number[name]] = holds
        return {"label": out}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``label``: (B,), with ``multi`` (B, V)."""

        def stacked(labels: list[np.ndarray]) -> Tensor:
            made = torch.from_numpy(np.stack(labels).astype(np.int64))
            return made if self.options.multi else made[:, 0]

        return {**with_others(examples, "label", stacked), **marked(examples)}

    def units(self, targets: Targets) -> int:
        """Rows with a label; with ``multi`` pairs of row and label that are known."""
        return int((targets["label"] != MISSING).sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        logits = self.logits(states)
        weights = None if self.weights is None else self.weights.float()
        smooth = self.options.label_smoothing

        def several(label: Tensor) -> Tensor:
            goal = label.clamp(min=0).to(logits.dtype) * (1 - smooth) + smooth / 2  # (B, V)
            each = F.binary_cross_entropy_with_logits(logits, goal, pos_weight=weights, reduction="none")
            return (each * (label != MISSING)).sum(-1)

        def one(label: Tensor) -> Tensor:
            return F.cross_entropy(
                logits, label, weights, ignore_index=MISSING, label_smoothing=smooth, reduction="none"
            )

        # reduction="sum" would do, but gives NaN gradients when nothing is labelled
        total = of_both(several if self.options.multi else one, targets, "label").sum()
        if TWICE in targets:
            known = targets["label"][0::2] != MISSING
            apart = between_labels(logits) if self.options.multi else between_classes(logits)
            total = total + self.r_drop * (apart * known).sum()
        return Loss(total, self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        assert isinstance(teacher, Classify)
        with torch.no_grad():
            goal = teacher.logits(taught)
        measure = soft_labels if self.options.multi else soft_classes
        each = measure(self.logits(states), goal, temperature)  # (B,), with multi (B, V)
        return Loss((each * (targets["label"] != MISSING)).sum(), self.units(targets))

    def supposed(self, targets: Targets) -> Targets:
        return {**targets, "label": targets["label"].clamp(min=0)}

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"label", "score", "scores"}``, with ``multi`` ``{"labels", "scores"}``; scores are probabilities."""
        logits = self.logits(states)
        if self.options.multi:
            return [
                {
                    "labels": [n for n, p in zip(self.labels, row, strict=True) if p >= self.options.threshold],
                    "scores": dict(zip(self.labels, row, strict=True)),
                }
                for row in logits.sigmoid().tolist()
            ]
        scores = logits.softmax(-1)
        best = scores.argmax(-1).tolist()
        return [
            {"label": self.labels[i], "score": row[i], "scores": dict(zip(self.labels, row, strict=True))}
            for i, row in zip(best, scores.tolist(), strict=True)
        ]

    def logits(self, states: Packed) -> Tensor:
        """(N, D) -> (B, V) float32."""
        out: Tensor = self.readout(pool(states, self.options.pool))
        return out

    def _weights(self) -> Tensor | None:
        """Per class n / (V n_c), whose mean over the training rows is 1; with ``multi`` negatives per positive."""
        if self.options.class_weights is None:
            return None
        counts = torch.tensor(self.fitted["counts"], dtype=torch.float32)
        seen = counts > 0
        if self.options.multi:
            known = torch.tensor(self.fitted["known"], dtype=torch.float32)
            balanced = (known - counts).clamp(min=1) / counts
        else:
            balanced = counts.sum() / (seen.sum() * counts)
        return torch.where(seen, balanced, 1.0)


def _said(label: Any, multi: bool) -> dict[str, bool]:
    """What a row says: name -> whether it holds. Empty when it says nothing, or with ``multi`` that none holds."""
    if label is None:
        return {}
    if not multi:
        return {_name(label): True}
    if isinstance(label, Mapping):
        return {_name(name): bool(holds) for name, holds in label.items() if holds is not None}
    if isinstance(label, (list, tuple, np.ndarray)):
        return {_name(one): True for one in label}
    return {_name(label): True}


def _name(label: Any) -> str:
    if isinstance(label, str):
        return label
    if isinstance(label, (Integral, np.bool_)):  # class numbers and booleans are names too
        return str(label)
    if isinstance(label, (list, tuple, Mapping, np.ndarray)):
        raise UnfitRow(f"expected one label, got {label!r}; for several labels at once say head.multi: true")
    raise UnfitRow(f"expected the name of a label, got {label!r}")
