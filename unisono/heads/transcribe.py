"""transcribe: speech to text, character by character, without knowing when each was said.

Connectionist temporal classification over the states of the audio. Graves et al. 2006
(https://www.cs.toronto.edu/~graves/icml_2006.pdf). With ``decoder: attention`` a Transformer decoder writes, and both
learn together: Kim, Hori and Watanabe 2017 (https://arxiv.org/abs/1609.06773), equation 9.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.decoder import Decoder
from unisono.heads.distill import TEMPERATURE, soft_classes, soft_tokens
from unisono.heads.readout import Readout
from unisono.heads.search import beam, greedy
from unisono.heads.token_loss import token_loss
from unisono.packed import Layout, Packed
from unisono.runtime.ctc import BLANK, best_path, prefix_search, steps_needed

BEGIN, END, FIRST = 0, 1, 2  # of the decoder's symbols; characters follow


class _Symbols(NamedTuple):
    ids: Tensor  # (M,) begin and characters of each text
    labels: Tensor  # (M,) characters and end
    layout: Layout
    rows: list[int]  # of each text


class TranscribeOptions(base.Options):
    """What a recipe may say about a transcription head."""

    only_with: ClassVar[base.OnlyWith] = {
        "hidden": ("layers", base.MANY),
        "decoder_layers": ("decoder", "attention"),
        "ctc": ("decoder", "attention"),
        "max_length": ("decoder", "attention"),
    }

    layers: int = Field(0, ge=0, description="hidden layers between the states and the characters")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layers; default: the trunk's")
    decoder: Literal["ctc", "attention"] = Field(
        "ctc", description="ctc: each state says a character or none; attention: a decoder reads the states and writes"
    )
    decoder_layers: int = Field(2, ge=1, description="layers of the attention decoder")
    ctc: float = Field(0.3, ge=0, lt=1, description="with attention, the share of CTC in the loss; 0: none of it")
    max_length: int = Field(256, ge=1, description="with attention, most characters, the end included")
    beams: int = Field(8, ge=1, le=256, description="prefixes kept when decoding; 1: the best one at each step")


class Transcribe(Head):
    """CTC over characters, or attention over states that CTC has helped to form.

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
        self.decoder: Decoder | None = None
        if options.decoder == "attention":
            self.decoder = Decoder(
                len(self.characters) + FIRST,
                width=width,
                source_width=width,
                layers=options.decoder_layers,
                heads=max(1, width // 32),
                feedforward=4 * width,
                longest=options.max_length,
                dropout=options.dropout,
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
        if self.decoder is not None and len(out) >= self.options.max_length:
            raise UnfitRow("more characters than max_length of the head leaves room for")
        by_ctc = self.decoder is None or self.options.ctc > 0
        if by_ctc and "steps" in tokens and steps_needed(out) > int(tokens["steps"][0]):
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
        """-log P(text), equation 8 of Graves et al.; with attention λ of that and 1 - λ of the decoder's."""
        units = self.units(targets)
        if not units:
            return Loss(states.values.sum() * 0, 0)
        if self.decoder is None:
            return Loss(self._ctc(states, targets), units)
        symbols = self._symbols(targets)
        hidden = self._hidden(self.decoder, states, symbols)
        total = (1 - self.options.ctc) * token_loss(hidden, self.decoder.vectors, symbols.labels)
        return Loss(total + self.options.ctc * self._ctc(states, targets) if self.options.ctc else total, units)

    def _ctc(self, states: Packed, targets: Targets) -> Tensor:
        """A row with fewer steps than its text needs costs nothing."""
        logits = self.logits(states)
        has = targets["counts"] > 0
        padded, _ = states.like(logits.log_softmax(-1)).padded()  # (B, L, V)
        steps, counts = self._steps(states, targets)[has], targets["counts"][has]
        return F.ctc_loss(
            padded[has].transpose(0, 1), targets["characters"], steps, counts, BLANK, "sum", zero_infinity=True
        )

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Over what every state of the sound says, of rows that have a text; with attention, the next character."""
        assert isinstance(teacher, Transcribe)
        if self.decoder is not None:
            assert teacher.decoder is not None
            units = self.units(targets)
            if not units:
                return Loss(states.values.sum() * 0, 0)
            symbols = self._symbols(targets)
            ours = self._hidden(self.decoder, states, symbols)
            with torch.no_grad():
                theirs = teacher._hidden(teacher.decoder, taught, symbols)
            vectors = self.decoder.vectors, teacher.decoder.vectors.detach()
            return Loss(soft_tokens(ours, vectors[0], theirs, vectors[1], temperature), units)
        with torch.no_grad():
            goal = teacher.logits(taught)
        each = soft_classes(self.logits(states), goal, temperature)  # (N,)
        layout, device = states.layout, states.device
        rows = layout.segments(device)
        counts = layout.positions(device) < self._steps(states, targets)[rows]
        return Loss((each * (counts & (targets["counts"] > 0)[rows])).sum(), self.units(targets))

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets, *, beams: int | None = None) -> list[Prediction]:
        """``{"text"}``."""
        count = self.options.beams if beams is None else beams
        if self.decoder is not None:
            return [{"text": self._text(found)} for found in self._written(self.decoder, states, count)]
        scores = self.logits(states).log_softmax(-1).cpu().numpy()
        ends = self._steps(states, targets).tolist()
        out: list[Prediction] = []
        for start, steps in zip(states.layout.offsets, ends, strict=False):
            own = scores[start : start + steps]
            found = best_path(own) if count == 1 else prefix_search(own, count)
            out.append({"text": self._text(found)})
        return out

    def _text(self, numbers: Sequence[int]) -> str:
        return "".join(self.characters[n - 1] for n in numbers).strip()

    def _written(self, decoder: Decoder, states: Packed, beams: int) -> list[list[int]]:
        """The characters of B rows, by attention."""
        common: dict[str, Any] = {"begin": BEGIN, "end": END, "barred": FIRST, "max_new": self.options.max_length}
        found = greedy(decoder, states, **common) if beams == 1 else beam(decoder, states, beams=beams, **common)
        return [[n - FIRST + 1 for n in one] for one in found]

    def _symbols(self, targets: Targets) -> _Symbols:
        """What the decoder reads and says of the rows that have a text."""
        counts = targets["counts"].tolist()
        texts = (targets["characters"] - 1 + FIRST).split(counts)
        given = [(row, text) for row, text in enumerate(texts) if len(text)]
        return _Symbols(
            torch.cat([F.pad(text, (1, 0), value=BEGIN) for _, text in given]),
            torch.cat([F.pad(text, (0, 1), value=END) for _, text in given]),
            Layout(len(text) + 1 for _, text in given),
            [row for row, _ in given],
        )

    def _hidden(self, decoder: Decoder, states: Packed, symbols: _Symbols) -> Tensor:
        """(M, D) the state of the decoder after each character that it has read."""
        out: Tensor = decoder(symbols.ids, symbols.layout, states, symbols.rows)
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
