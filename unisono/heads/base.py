"""Head: one task's decoder, from trunk states to a loss or to predictions. The contract of the room."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from unisono.heads.distill import TEMPERATURE
from unisono.packed import Packed

MISSING = -100  # the target of a unit without a label, in every integer target
SHARE, OTHER = "share", "other/"  # fields of an example with another mixed in: its own share (1,); the other's labels

Row = Mapping[str, Any]  # role -> value, as the data room yields it
Example = dict[str, np.ndarray]  # one encoded row: 1-D arrays, uint8, int32 or float32
Targets = dict[str, Tensor]  # a batch of targets, collated; moved to the device by the caller
Prediction = dict[str, Any]  # JSON-ready


class UnfitRow(ValueError):
    """A row that a head cannot take (an unknown label, say). The message is the reason; the row goes to quarantine."""


def hidden_fields(stem: str) -> tuple[str, str]:
    """Fields of an example of which a part is hidden: where, (K,) int32 places in the row's sequence, and what was
    there, (K,) int32 symbols, MISSING where nobody knows, or (K * P,) float32 values.
    """
    return f"{stem}_places", f"{stem}_known"


class Loss(NamedTuple):
    """A loss over the labelled units of a batch."""

    total: Tensor  # scalar: the sum over labelled units
    units: int  # how many units had a label

    def mean(self) -> Tensor:
        """The mean over labelled units; 0 (still connected to the graph) when none was labelled."""
        return self.total / max(self.units, 1)


OnlyWith = Mapping[str, tuple[str, Any]]  # option -> another, and the value of it with which the first counts
MANY = "1 or more"  # such a value


class Options(BaseModel):
    """What a recipe may say under ``head:``. Each head extends it with its own hyperparameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    only_with: ClassVar[OnlyWith] = {}

    dropout: float = Field(0.1, ge=0, lt=1, description="dropout inside the head")
    lr: float | None = Field(None, gt=0, description="learning rate of this head; default: train.head_lr")

    def idle(self) -> dict[str, str]:
        """Options that were set and change nothing -> what they belong to. A recipe may have none."""
        out = {}
        for name, (other, value) in self.only_with.items():
            found = getattr(self, other)
            counts = bool(found) if value == MANY else found == value
            if not counts and getattr(self, name) != type(self).model_fields[name].default:
                out[name] = f"belongs to {other}: {_yaml(value)}, this one is {_yaml(found)}"
        return out


class RowOptions(Options):
    """Of heads with one answer for a row: how its rows are changed in training."""

    mixup: float = Field(
        0.0, ge=0, description="in training, images and their labels are mixed with one another: α of mixup, 0.2 say"
    )
    r_drop: float = Field(
        0.0,
        ge=0,
        description="in training, a row is seen twice, and its two answers held to each other: α of R-Drop, 1 say",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> RowOptions:
        if self.mixup and self.r_drop:
            raise ValueError(
                '"mixup" and "r_drop" exclude each other: a row mixed with two others is not the same twice'
            )
        return self


def _yaml(value: Any) -> str:
    """As it would stand in a recipe."""
    return value if isinstance(value, str) else json.dumps(value)


_Options = Options  # inside Head, the name is the class attribute


class Head(nn.Module, ABC):
    """One task's decoder.

    A head is built in two moves: ``fit`` looks once at the training rows and returns what must be known before the
    first step (label names, a vocabulary); ``__init__`` builds the module from that. ``fitted`` is plain JSON and is
    saved with the model, so a head can be rebuilt without its data.

    Args of every constructor: ``width`` (the trunk's D), ``options`` (an instance of ``Options``), ``fitted`` (what
    ``fit`` gave).
    """

    Options: ClassVar[type[_Options]] = Options
    labels_in: ClassVar[tuple[str, ...]] = ()  # roles that carry a label; a row without one is a partial label
    words: ClassVar[bool] = False  # the text input of this head is already split into words
    stepwise: ClassVar[bool] = False  # ``predict`` takes many steps, one after the other
    quick: ClassVar[Mapping[str, Any]] = {}  # options of predict for evaluations during training

    hides: ClassVar[bool] = False  # learns from what is hidden of the input (``choose``): the input is the label

    mixup: float = 0.0  # α of Zhang et al. 2018: training rows are mixed with one another; 0: they are not
    r_drop: float = 0.0  # α of Liang et al. 2021: training rows are seen twice (``heads.r_drop``); 0: they are not
    first_only: bool = False  # of a sequence, only its first token's state is looked at; the trunk can save work then
    options: _Options
    fitted: dict[str, Any]

    @classmethod
    def make(cls, width: int, options: Any, fitted: dict[str, Any]) -> Head:
        """The module. A kind with several decoders chooses here, by its options."""
        return cls(width, options, fitted)

    @classmethod
    @abstractmethod
    def fit(cls, rows: Iterable[Row], options: Any) -> dict[str, Any]:
        """One pass over the training rows (some without labels). Returns plain JSON."""

    @abstractmethod
    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """The targets of one row, on the CPU. No label -> a missing target, never an error.

        Args:
            row: role -> value.
            tokens: what the stem made of the row's input: ``ids`` (L,), for word inputs also ``words`` (the position of
                each word's first token, -1 where the word was cut off).

        Raises:
            UnfitRow: the label cannot be learned (unknown name, wrong count), with the reason.
        """

    @abstractmethod
    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """Targets of a batch, from full examples (the stem's fields and this head's), in the order of the pack."""

    @abstractmethod
    def units(self, targets: Targets) -> int:
        """How many labelled units the batch has: what ``loss`` will divide by."""

    @abstractmethod
    def loss(self, states: Packed, targets: Targets) -> Loss:
        """states (N, D) -> the sum of losses over labelled units."""

    def choose(self, free: np.ndarray, draw: np.random.Generator, *, training: bool, values: bool) -> np.ndarray:
        """Which vectors of a row are hidden from a head that ``hides``; its ``collate`` then finds ``hidden_fields``.

        Args:
            free: (L,) bool, those that may be.
            values: they stand for values, which no other vector can take the place of; otherwise for symbols.

        Returns:
            (L,) uint8: 0 left as it is, 1 hidden behind the mask, 2 behind another symbol, 3 left but asked for.
        """
        raise NotImplementedError(f"{type(self).__name__} hides nothing")

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """A row's prediction from those of its examples, in their order. Of most heads a row is one example.

        Args:
            row: its inputs.
        """
        (only,) = parts
        return only

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """How far this head is from a teacher of the same kind, summed over the units that ``loss`` would sum over.

        A head that offers this can hold a task that has left the mix (``when_done: distill``).

        Args:
            states: (N, D). ``targets``: as for ``loss``; labels only say which units count, or what a decoder has read.
            teacher: a frozen head of this kind, with the same ``fitted``. ``taught``: (N, D) the states of its own
                trunk, without gradient.
            temperature: T, by which outputs are softened where they are probabilities.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be distilled")

    def supposed(self, targets: Targets) -> Targets:
        """The same with some label for every unit that could have one: ``distill`` then counts them all.

        As they are, where a label says more than that a unit counts: a decoder has nothing to read without it.
        """
        return targets

    def steps(
        self, states: Packed, targets: Targets, *, partial: bool = False, **options: Any
    ) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
        """``predict`` in steps, between which other work may be done; what it returns at the end is the same.

        Yields:
            After each step what is known so far, by the number of the sequence; nothing unless ``partial``.
        """
        yield from ()
        return self.predict(states, targets, **options)

    @abstractmethod
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """states (N, D) -> B plain dicts, in the order of the pack. Labels in ``targets`` are not looked at."""
