"""Stem: one kind of raw input -> a run of vectors for the trunk. The contract of the room."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from unisono.packed import Layout

Tokens = dict[str, np.ndarray]  # of one row: 1-D arrays, uint8, int32 or float32


class Options(BaseModel):
    """What a recipe may say under ``stems: NAME:``. Each stem extends it with its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Stem(nn.Module, ABC):
    """Turns one kind of raw input into vectors.

    A stem is built in two moves, as a head is: ``fit`` looks once at the training rows and returns what must be known
    before the first step, ``__init__`` builds the module from that. (The text stem is built from the trunk's tokenizer
    instead.) What ``tokens`` makes of a row is cached, so all that is drawn anew in each epoch (augmentation) belongs
    to ``embed``, or where a label must follow to ``draw``: both draw from torch's generator and only in training.

    Args of every other constructor: ``width`` (D_in, what the trunk takes), ``options`` (an instance of ``Options``),
    ``fitted`` (what ``fit`` gave, plain JSON).
    """

    Options: ClassVar[type[Options]] = Options
    fields: ClassVar[tuple[str, ...]]  # the arrays that ``tokens`` may give; no two stems have one of the same name
    reads: ClassVar[tuple[str, ...]] = ()  # of these, the ones that ``collate`` reads; the others are for heads
    cuts: ClassVar[bool] = (
        False  # an input of more than ``most`` vectors is cut off; else it is scaled down, or refused
    )
    blends: ClassVar[bool] = False  # rows can be mixed with one another in training
    most: int  # vectors of a row at most
    knows: ClassVar[bool] = False  # it has a vocabulary of training rows, and ``unknown`` counts what is not in it

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        cls.reads = cls.__dict__.get("reads", getattr(cls, "fields", ()))

    @classmethod
    def fit(cls, values: Iterable[Any], options: Any) -> dict[str, Any]:
        """One pass over the inputs of the training rows, None where a row has none. Returns plain JSON."""
        return {}

    def begin(self) -> None:
        """Called once, on a model that is made new: takes weights from elsewhere, if any.

        Raises:
            OSError, ValueError: they cannot be had.
        """

    @property
    def rates(self) -> Mapping[str, float]:
        """How the names of some parameters begin -> their learning rate, where it is not the trunk's."""
        return {}

    @abstractmethod
    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> Sequence[Tokens | str]:
        """What is kept of each row's input, on the CPU; for a row that cannot be used, the reason instead.

        Args:
            rows: role -> value; each has at least one value that this stem reads.
            words: text is already split into words.
            max_length: vectors of a row at most; None: the stem's own limit.
        """

    @abstractmethod
    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        """How many vectors the row becomes."""

    def draw(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Sequence[Mapping[str, np.ndarray]]:
        """Full examples of rows -> the same with fields for what chance does to them this time, before stem and head
        collate them: a label that lies on the input can then follow it. On the CPU, and in training only.
        """
        return examples

    def alike(self, tokens: Mapping[str, np.ndarray]) -> Hashable:
        """Of a stem that ``blends``: what two rows must have in common to be mixed."""
        raise NotImplementedError(f"{type(self).__name__} blends nothing")

    def blend(self, one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], share: float) -> Tokens:
        """Of a stem that ``blends``: the fields in which a row differs once another is mixed in.

        Args:
            share: of the one, between 0 and 1.
        """
        raise NotImplementedError(f"{type(self).__name__} blends nothing")

    def unknown(self, tokens: Mapping[str, np.ndarray]) -> int:
        """How many pieces of the row's input training did not have; 0 where the row lacks it."""
        return 0

    @abstractmethod
    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """The rows' arrays as tensors, in their order."""

    @abstractmethod
    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in) vectors of a pack.

        Args:
            fields: what ``collate`` made, on the model's device.
            layout: how many vectors each row becomes.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Plain JSON from which the stem is built again: ``options`` and ``fitted``."""

    def key(self) -> str:
        """Names all that ``tokens`` depends on."""
        return json.dumps(self.config(), sort_keys=True)

    def save(self, folder: str | Path) -> None:
        """Writes the files that the stem needs beside its weights and its config."""
