"""regress: one number for a whole sequence or pair of sequences.

A small perceptron over one vector per sequence, trained on standardised targets, answering in the original units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.distill import TEMPERATURE
from unisono.heads.mixed import of_both, with_others
from unisono.heads.r_drop import TWICE, between_numbers, marked
from unisono.heads.readout import Pool, Readout, pool
from unisono.packed import Packed


class RegressOptions(base.RowOptions):
    """What a recipe may say about a regression head."""

    only_with: ClassVar[base.OnlyWith] = {"hidden": ("layers", base.MANY)}

    pool: Pool = Field("first", description="what stands for a sequence: its first token, or the mean of all")
    layers: int = Field(1, ge=0, description="hidden layers")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layers; default: the trunk's")
    scale: bool = Field(True, description="standardise targets by the mean and deviation of the training rows")
    loss: Literal["mse", "huber"] = Field(
        "mse", description="huber: linear beyond one (standardised) unit, for outliers"
    )


class Regress(Head):
    """One number per sequence.

    ``fitted``: ``mean`` and ``deviation`` of the training targets (0 and 1 without ``scale``). The encoded target
    and the loss are in deviations from the mean, so that large numbers do not drown the other tasks; missing is NaN.
    """

    Options: ClassVar[type[base.Options]] = RegressOptions
    labels_in: ClassVar[tuple[str, ...]] = ("label",)

    options: RegressOptions

    def __init__(self, width: int, options: RegressOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.first_only, self.mixup, self.r_drop = options.pool == "first", options.mixup, options.r_drop
        self.mean, self.deviation = float(fitted["mean"]), float(fitted["deviation"])
        self.readout = Readout(width, 1, layers=options.layers, hidden=options.hidden, dropout=options.dropout)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: RegressOptions) -> dict[str, Any]:
        values = []
        for row in rows:
            try:
                value = _number(row.get("label"))
            except UnfitRow:
                continue  # encode will say so, once, with the row's number
            if value is not None:
                values.append(value)
        if not values:
            raise ValueError("no training row has a number to learn; see where the label comes from")
        if not options.scale:
            return {"mean": 0.0, "deviation": 1.0}
        return {"mean": float(np.mean(values)), "deviation": float(np.std(values)) or 1.0}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``value``: (1,) in deviations from the mean; NaN when missing."""
        value = _number(row.get("label"))
        # Standardised here, in double precision: large means would eat the digits of a float32.
        return {"value": np.array([math.nan if value is None else (value - self.mean) / self.deviation], np.float32)}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``value``: (B,)."""
        values = with_others(examples, "value", lambda values: torch.from_numpy(np.concatenate(values)))
        return {**values, **marked(examples)}

    def units(self, targets: Targets) -> int:
        return int((~targets["value"].isnan()).sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        found = self.values(states)
        measure = F.mse_loss if self.options.loss == "mse" else F.huber_loss

        def each(value: Tensor) -> Tensor:
            return measure(found, value.nan_to_num(), reduction="none") * ~value.isnan()  # (B,)

        total = of_both(each, targets, "value").sum()
        if TWICE in targets:
            total = total + self.r_drop * (between_numbers(found) * ~targets["value"][0::2].isnan()).sum()
        return Loss(total, self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Squared error to the value of the teacher, in deviations."""
        assert isinstance(teacher, Regress)
        with torch.no_grad():
            goal = teacher.values(taught)
        each = F.mse_loss(self.values(states), goal, reduction="none")
        return Loss((each * ~targets["value"].isnan()).sum(), self.units(targets))

    def supposed(self, targets: Targets) -> Targets:
        return {**targets, "value": targets["value"].nan_to_num()}

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"value"}`` in the units of the training targets."""
        return [{"value": v * self.deviation + self.mean} for v in self.values(states).tolist()]

    def values(self, states: Packed) -> Tensor:
        """(N, D) -> (B,) float32, in deviations from the mean."""
        out: Tensor = self.readout(pool(states, self.options.pool))
        return out.squeeze(-1)


def _number(label: Any) -> float | None:
    """The target as a number; None when missing (NaN counts as missing, as tables write it)."""
    if label is None:
        return None
    try:
        value = float(label)
    except (TypeError, ValueError):
        raise UnfitRow(f"expected a number, got {label!r}") from None
    if math.isinf(value):
        raise UnfitRow(f"expected a finite number, got {label!r}")
    return None if math.isnan(value) else value
