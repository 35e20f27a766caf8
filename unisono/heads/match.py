"""match: which of two inputs belong together: a text and its image, a sentence and its translation.

Each input of a row goes through the trunk alone and becomes a vector of length 1. Pairs of a batch must be nearer to
each other than to all others of the batch: the symmetric loss of CLIP (Radford et al. 2021,
https://arxiv.org/abs/2103.00020, figure 3), for two texts with one projection. Where pairs have a score, the cosine
learns it by squared error (Reimers & Gurevych 2019, https://arxiv.org/abs/1908.10084, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads import base
from unisono.heads.base import Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.distill import TEMPERATURE, soft_classes
from unisono.heads.readout import Pool, pool
from unisono.packed import Packed

# Input roles, in the order in which a row's sequences are numbered, and the projection of each.
PROJECTION = {"text": "text", "other": "text", "image": "image", "audio": "audio", "sequence": "sequence"}
_MOST = math.log(100)  # of the scale of logits, as in CLIP: more is not stable


class MatchOptions(base.Options):
    """What a recipe may say about a matching head."""

    pool: Pool = Field("mean", description="what stands for an input: its first state, or the mean of all")
    size: int = Field(128, ge=2, description="numbers in the vector of an input")
    temperature: float = Field(
        0.07, ge=0.01, le=1, description="of the softmax over a batch's similarities, at the start; it is learned"
    )


class Match(Head):
    """Vectors of two inputs in one space.

    A row that lacks an input costs nothing; so does one without a score, where there are scores. Rows that share an
    input (captions of one image) are not held against each other.

    ``fitted``: ``sides``, the two input roles, and ``score``, the lowest and highest of the training rows, or None.
    """

    Options: ClassVar[type[base.Options]] = MatchOptions
    labels_in: ClassVar[tuple[str, ...]] = ("score",)

    options: MatchOptions

    def __init__(self, width: int, options: MatchOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.first_only = options.pool == "first"
        self.sides: tuple[str, ...] = tuple(fitted["sides"])
        self.range: tuple[float, float] | None = tuple(fitted["score"]) if fitted["score"] else None
        self.dropout = Dropout(options.dropout)
        self.projections = nn.ModuleDict(
            {
                name: nn.Linear(width, options.size, bias=False)
                for name in dict.fromkeys(PROJECTION[s] for s in self.sides)
            }
        )
        if self.range is None:
            self.scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))

    @classmethod
    def fit(cls, rows: Iterable[Row], options: MatchOptions) -> dict[str, Any]:
        seen: set[str] = set()
        together, low, high = False, math.inf, -math.inf
        for row in rows:
            there = [role for role in PROJECTION if row.get(role) is not None]
            seen.update(there)
            together = together or len(there) > 1
            score = row.get("score")
            if score is not None and math.isfinite(score):
                low, high = min(low, score), max(high, score)
        sides = [role for role in PROJECTION if role in seen]
        if len(sides) != 2 or not together:
            have = f"have {' and '.join(sides) or 'no input'}" + ("" if together else ", never two in one row")
            raise ValueError(f"the training rows {have}; to match takes rows with two inputs: see columns")
        return {"sides": sides, "score": [low, max(high, low + 1e-6)] if high >= low else None}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``same``: (4,) two numbers for each input that equal inputs share, 0 where the row does not have it.
        ``score``: (1,) from 0 to 1, or NaN.
        """
        score = row.get("score")
        if score is not None and math.isinf(score):
            raise UnfitRow(f"expected a finite score, got {score}")
        low, high = self.range or (0.0, 1.0)
        same = np.concatenate([_same(row.get(side)) for side in self.sides])
        return {
            "same": same,
            "score": np.array([math.nan if score is None else (score - low) / (high - low)], np.float32),
        }

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``sequences`` (B, 2): the places of inputs in the pack, -1 for none; ``same`` (B, 2); ``score`` (B,)."""
        same = np.stack([e["same"] for e in examples]).view(np.int64)
        return {
            "sequences": torch.from_numpy(np.stack([e["sequences"] for e in examples]).astype(np.int64)),
            "same": torch.from_numpy(same),
            "score": torch.from_numpy(np.concatenate([e["score"] for e in examples])),
        }

    def units(self, targets: Targets) -> int:
        """Rows with both inputs, and where scores are learned, with one."""
        return int(self._taught(targets).sum())

    def _taught(self, targets: Targets) -> Tensor:
        # (B,) A pack that tasks share has inputs of rows that are not this task's: these have no ``same``.
        both = ((targets["sequences"] >= 0) & (targets["same"] != 0)).all(1)
        return both if self.range is None else both & ~targets["score"].isnan()

    def loss(self, states: Packed, targets: Targets) -> Loss:
        """Other rows of the same batch are what a row is held against: a batch of one costs nothing."""
        taught = self._taught(targets)
        units = int(taught.sum())
        one, other = self._pairs(states, targets["sequences"][taught])  # (M, E) each
        if self.range is not None:
            return Loss(F.mse_loss((one * other).sum(1), targets["score"][taught], reduction="sum"), units)
        if not units:
            return Loss(one.sum() + other.sum() + 0 * self.scale.float(), 0)
        logits = self._logits(one, other, targets["same"][taught], hidden=-math.inf)
        right = torch.arange(units, device=logits.device)
        both = F.cross_entropy(logits, right, reduction="sum") + F.cross_entropy(logits.t(), right, reduction="sum")
        return Loss(both / 2, units)

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        assert isinstance(teacher, Match)
        known = self._taught(targets)
        units = int(known.sum())
        places, same = targets["sequences"][known], targets["same"][known]
        ours = self._pairs(states, places)
        with torch.no_grad():
            theirs = teacher._pairs(taught, places)
        if self.range is not None:
            cosines, goal = ((a * b).sum(1) for a, b in (ours, theirs))
            return Loss(F.mse_loss(cosines, goal, reduction="sum"), units)
        # A finite number hides a pair: the divergence of two infinities is none.
        logits, goal = self._logits(*ours, same, hidden=-1e4), teacher._logits(*theirs, same, hidden=-1e4).detach()
        both = (soft_classes(logits, goal, temperature), soft_classes(logits.t(), goal.t(), temperature))
        return Loss((both[0].sum() + both[1].sum()) / 2, units)

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"similarity", "vectors"}``: the cosine of the row's inputs, None where one is missing, and role -> its
        vector of length 1.
        """
        places = targets["sequences"]
        one, other = self._pairs(states, places.clamp(min=0))
        found = zip((one * other).sum(1).tolist(), one.tolist(), other.tolist(), (places >= 0).tolist(), strict=True)
        return [
            {
                "similarity": cosine if all(there) else None,
                "vectors": {side: v for side, v, t in zip(self.sides, vectors, there, strict=True) if t},
            }
            for cosine, *vectors, there in found
        ]

    def _pairs(self, states: Packed, places: Tensor) -> tuple[Tensor, Tensor]:
        """Places (M, 2) of inputs in the pack -> two times (M, E) float32 of length 1."""
        pooled = pool(states, self.options.pool)
        one, other = (self.vectors(pooled[own], side) for side, own in zip(self.sides, places.t(), strict=True))
        return one, other

    def vectors(self, pooled: Tensor, side: str) -> Tensor:
        """(M, D) of inputs in a role -> (M, E) float32 of length 1."""
        projection = self.projections[PROJECTION[side]]
        assert isinstance(projection, nn.Linear)
        return F.normalize(projection(self.dropout(pooled.to(projection.weight.dtype))).float(), dim=-1)

    def _logits(self, one: Tensor, other: Tensor, same: Tensor, *, hidden: float) -> Tensor:
        """(M, M) scaled cosines, ``hidden`` where two rows share an input.

        Args:
            same: (M, 2) numbers that are equal for equal inputs.
        """
        scale = self.scale.float()
        scale = scale + (scale.clamp(max=_MOST) - scale).detach()  # beyond the limit it can still learn to come back
        shared = (same[:, None] == same[None]).any(-1).fill_diagonal_(False)
        return (scale.exp() * one @ other.t()).masked_fill(shared, hidden)


def _same(value: Any) -> np.ndarray:
    """(2,) int32: a digest of a text or a file (of its bytes, or its name where only that is known); of None 0."""
    if value is None:
        return np.zeros(2, np.int32)
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    content = value if isinstance(value, bytes) else str(value).encode()
    return np.frombuffer(blake2b(content, digest_size=8).digest(), np.int32)
