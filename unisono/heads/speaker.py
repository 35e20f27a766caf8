"""speaker: who speaks, and whether two recordings are of one person.

A classifier whose classes are directions: a recording's vector must lie nearer to its speaker's direction than to any
other by an angle. Deng et al. 2019 (ArcFace, https://arxiv.org/abs/1801.07698), equation 3; for speakers Xiang et al.
2019 (https://arxiv.org/abs/1906.07317).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets
from unisono.heads.distill import TEMPERATURE, soft_classes
from unisono.heads.readout import Pool, pool
from unisono.packed import Packed


class SpeakerOptions(base.Options):
    """What a recipe may say about a speaker head."""

    pool: Pool = Field("mean", description="what stands for a recording: its first state, or the mean of all")
    size: int = Field(64, ge=2, description="numbers in the vector of a recording")
    margin: float = Field(0.2, ge=0, lt=math.pi / 2, description="angle to be nearer to one's own direction, radians")
    scale: float = Field(30.0, gt=0, description="factor on cosines before the softmax")


class Speaker(Head):
    """Additive angular margin over the speakers of the training rows; vectors for all others.

    A speaker who is not among them has no class, which costs nothing: recordings of such are compared by their vectors.

    ``fitted``: ``labels``, the V speakers.
    """

    Options: ClassVar[type[base.Options]] = SpeakerOptions
    labels_in: ClassVar[tuple[str, ...]] = ("label",)

    options: SpeakerOptions

    def __init__(self, width: int, options: SpeakerOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.first_only = options.pool == "first"
        self.labels: tuple[str, ...] = tuple(fitted["labels"])
        self._number = {name: i for i, name in enumerate(self.labels)}
        self.vector = nn.Sequential(Dropout(options.dropout), nn.Linear(width, options.size))
        self.directions = nn.Parameter(torch.randn(len(self.labels), options.size) * options.size**-0.5)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: SpeakerOptions) -> dict[str, Any]:
        names = sorted({str(row["label"]) for row in rows if row.get("label") is not None})
        if len(names) < 2:
            raise ValueError(f"{len(names)} speaker in the training rows: there is nobody to tell apart")
        return {"labels": names}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``label`` (1,): the speaker's number, missing for one who is not among those learned."""
        label = row.get("label")
        return {"label": np.array([MISSING if label is None else self._number.get(str(label), MISSING)], np.int32)}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``label`` (B,)."""
        return {"label": torch.tensor([int(e["label"][0]) for e in examples])}

    def units(self, targets: Targets) -> int:
        """Recordings of a known speaker."""
        return int((targets["label"] != MISSING).sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        label = targets["label"]
        logits = with_margin(self.cosines(states), label, self.options.margin) * self.options.scale
        each = F.cross_entropy(logits, label, ignore_index=MISSING, reduction="none")
        return Loss(each.sum(), self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        assert isinstance(teacher, Speaker)
        with torch.no_grad():
            goal = teacher.cosines(taught) * self.options.scale
        each = soft_classes(self.cosines(states) * self.options.scale, goal, temperature)  # (B,)
        return Loss((each * (targets["label"] != MISSING)).sum(), self.units(targets))

    def supposed(self, targets: Targets) -> Targets:
        return {**targets, "label": targets["label"].clamp(min=0)}

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"label", "score", "scores", "vector"}``: probabilities of the known speakers, and the recording's vector
        of length 1, whose inner product with another's says how alike the voices are.
        """
        vectors = self.vectors(states)
        scores = (vectors @ self._directions().t() * self.options.scale).softmax(-1)
        return [
            {"label": self.labels[i], "score": row[i], "scores": dict(zip(self.labels, row, strict=True)), "vector": v}
            for i, row, v in zip(scores.argmax(-1).tolist(), scores.tolist(), vectors.tolist(), strict=True)
        ]

    def vectors(self, states: Packed) -> Tensor:
        """(N, D) -> (B, E) float32 of length 1."""
        pooled = pool(states, self.options.pool)
        return F.normalize(self.vector(pooled.to(self.directions.dtype)).float(), dim=-1)

    def cosines(self, states: Packed) -> Tensor:
        """(N, D) -> (B, V) of the angle between a recording's vector and each speaker's direction."""
        return self.vectors(states) @ self._directions().t()

    def _directions(self) -> Tensor:
        return F.normalize(self.directions.float(), dim=-1)


def with_margin(cosines: Tensor, label: Tensor, margin: float) -> Tensor:
    """(B, V) cosines -> the same with cos(θ + margin) in place of each row's own cos θ; rows without a label stay.

    Beyond θ = π - margin, where that would rise again, a straight line goes on falling, as in the paper's code.
    """
    known = label != MISSING
    own = cosines.gather(1, label.clamp(min=0)[:, None])  # (B, 1)
    sine = (1 - own.square()).clamp(min=1e-9).sqrt()
    turned = own * math.cos(margin) - sine * math.sin(margin)
    turned = torch.where(own > -math.cos(margin), turned, own - math.sin(margin) * margin)
    return torch.where(known[:, None], cosines.scatter(1, label.clamp(min=0)[:, None], turned), cosines)
