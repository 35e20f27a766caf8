"""transcribe: speech to text, character by character, without knowing when each was said.

Connectionist temporal classification over the states of the audio. Graves et al. 2006
(https://www.cs.toronto.edu/~graves/icml_2006.pdf).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.ctc import BLANK, best_path, prefix_search, steps_needed
from unisono.heads.distill import soft_classes
from unisono.heads.readout import Readout
from unisono.packed import Packed


class TranscribeOptions(base.Options):
    """What a recipe may say about a transcription head."""

    layers: int = Field(0, ge=0, description="hidden layers between the states and the characters")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layers; default: the trunk's")
    beams: int = Field(8, ge=1, le=256, description="prefixes kept when decoding; 1: the best character at each step")


class Transcribe(Head):
    """CTC over characters.

    A row's ``text`` is what is said. Characters that no training row has cannot be written: they are left out of what
    is learned, and the scores count them as errors.

    ``fitted``: ``characters``, V - 1 in their order after the blank.
    """

    Options: ClassVar[type[base.Options]] = TranscribeOptions
    labels_in: ClassVar[tuple[str, ...]] = ("text",)
    quick: ClassVar[Mapping[str, Any]] = {"beams": 1}

    options: TranscribeOptions

    def __init__(self, width: int, options: TranscribeOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.characters: tuple[str, ...] = tuple(fitted["characters"])
        self._number = {c: i for i, c in enumerate(self.characters, start=BLANK + 1)}
        self.readout = Readout(
            width, len(self.characters) + 1, layers=options.layers, hidden=options.hidden, dropout=options.dropout
        )

    @classmethod
    def fit(cls, rows: Iterable[Row], options: TranscribeOptions) -> dict[str, Any]:
        characters = {c for row in rows for c in _plain(row.get("text"))}
        if not characters:
            raise ValueError("no training row says what is spoken; see where text comes from")
        return {"characters": sorted(characters)}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``characters`` (U,), or one that is missing.

        Args:
            tokens: with ``steps`` (1,), how many states the audio has.
        """
        text = _plain(row.get("text"))
        known = [self._number[c] for c in text if c in self._number]
        if not text:
            return {"characters": np.array([MISSING], np.int32)}
        if not known:
            raise UnfitRow("the text has no character that training rows have")
        out = np.array(known, np.int32)
        if "steps" in tokens and steps_needed(out) > int(tokens["steps"][0]):
            raise UnfitRow("more characters than steps of sound; less subsample or hop in stems: audio: gives more")
        return {"characters": out}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``characters`` (ΣU,) of the rows that have a text, ``counts`` (B,) how many are of each, 0 without a text,
        and ``steps`` (B,) where the stem says how many states are the audio's: those at the beginning of the row.
        """
        given = [e["characters"] if e["characters"][0] != MISSING else e["characters"][:0] for e in examples]
        out = {
            "characters": torch.from_numpy(np.concatenate(given).astype(np.int64)),
            "counts": torch.tensor([len(g) for g in given]),
        }
        if all("steps" in e for e in examples):
            out["steps"] = torch.tensor([int(e["steps"][0]) for e in examples])
        return out

    def units(self, targets: Targets) -> int:
        """Characters."""
        return len(targets["characters"])

    def loss(self, states: Packed, targets: Targets) -> Loss:
        """-log P(text), equation 8 of the paper; a row with fewer steps than its text needs costs nothing."""
        logits, units = self.logits(states), self.units(targets)
        if not units:
            return Loss(logits.sum() * 0, 0)
        has = targets["counts"] > 0
        padded, _ = states.like(logits.log_softmax(-1)).padded()  # (B, L, V)
        steps, counts = self._steps(states, targets)[has], targets["counts"][has]
        each = F.ctc_loss(
            padded[has].transpose(0, 1), targets["characters"], steps, counts, BLANK, "sum", zero_infinity=True
        )
        return Loss(each, units)

    def distill(self, states: Packed, targets: Targets, teacher: Head, taught: Packed) -> Loss:
        """Over what every state of the sound says, of rows that have a text."""
        assert isinstance(teacher, Transcribe)
        with torch.no_grad():
            goal = teacher.logits(taught)
        each = soft_classes(self.logits(states), goal)  # (N,)
        layout, device = states.layout, states.device
        rows = layout.segments(device)
        counts = layout.positions(device) < self._steps(states, targets)[rows]
        return Loss((each * (counts & (targets["counts"] > 0)[rows])).sum(), self.units(targets))

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets, *, beams: int | None = None) -> list[Prediction]:
        """``{"text"}``."""
        count = self.options.beams if beams is None else beams
        scores = self.logits(states).log_softmax(-1).cpu().numpy()
        ends = self._steps(states, targets).tolist()
        out: list[Prediction] = []
        for start, steps in zip(states.layout.offsets, ends, strict=False):
            own = scores[start : start + steps]
            found = best_path(own) if count == 1 else prefix_search(own, count)
            out.append({"text": "".join(self.characters[s - 1] for s in found).strip()})
        return out

    def logits(self, states: Packed) -> Tensor:
        """(N, D) -> (N, V) float32."""
        out: Tensor = self.readout(states.values)
        return out

    def _steps(self, states: Packed, targets: Targets) -> Tensor:
        """(B,) how many states are the audio's."""
        return targets["steps"] if "steps" in targets else torch.tensor(states.layout.lengths, device=states.device)


def _plain(text: Any) -> str:
    """Composed characters, words apart by one space."""
    return " ".join(unicodedata.normalize("NFC", text).split()) if isinstance(text, str) else ""
