"""mask: a part of the input is hidden, and the head says what was there. No labels are needed.

Symbols (pieces of text, SMILES, bases) as in BERT: Devlin et al. 2019, section 3.1 and appendix A.1. Values (patches of
an image, stretches of sound) as in SimMIM: the mask goes through the whole trunk, a linear map says the values, L1.
Xie et al. 2022 (https://arxiv.org/abs/2111.09886), with the normalised patches of He et al. 2022
(https://arxiv.org/abs/2111.06377).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets, hidden_fields
from unisono.heads.distill import TEMPERATURE, soft_tokens
from unisono.heads.token_loss import token_loss
from unisono.packed import Packed

_LEFT, _MASKED, _SWAPPED, _KEPT = 0, 1, 2, 3


class MaskOptions(base.Options):
    """What a recipe may say about hiding."""

    dropout: float = Field(0.0, ge=0, lt=1, description="dropout inside the head")
    share: float | None = Field(
        None, gt=0, lt=1, description="share of a row that is hidden; default: 0.15 of symbols, 0.6 of patches or sound"
    )
    span: int = Field(1, ge=1, description="neighbours that are hidden together")
    masked: float = Field(0.8, ge=0, le=1, description="of the hidden symbols, the share that the mask stands for")
    swapped: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share that another symbol stands for; the rest are seen, and asked for",
    )
    top: int = Field(5, ge=1, le=100, description="symbols that a prediction names for each place")

    @model_validator(mode="after")
    def _shares(self) -> MaskOptions:
        if self.masked + self.swapped > 1:
            raise ValueError(f'"masked" {self.masked:g} and "swapped" {self.swapped:g} are more than 1 together')
        return self


class Mask(Head):
    """For symbols one hidden layer and a vector for each symbol; for values a linear map. The unit of the loss is a
    hidden place: its cross-entropy in nats, or the mean absolute error of its P values.

    ``fitted``: ``holds``, stem -> ``{"symbols": [V names]}`` or ``{"values": P}``.
    """

    Options: ClassVar[type[base.Options]] = MaskOptions
    hides: ClassVar[bool] = True
    quick: ClassVar[Mapping[str, Any]] = {"top": 1}

    options: MaskOptions

    def __init__(self, width: int, options: MaskOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        holds: Mapping[str, Mapping[str, Any]] = fitted["holds"]
        self.symbols: dict[str, list[str]] = {stem: own["symbols"] for stem, own in holds.items() if "symbols" in own}
        self.values = nn.ModuleDict(
            {stem: nn.Linear(width, own["values"]) for stem, own in holds.items() if "values" in own}
        )
        self.vectors = nn.ParameterDict(
            {stem: nn.Parameter(torch.randn(len(own), width) * 0.02) for stem, own in self.symbols.items()}
        )
        self.dropout = Dropout(options.dropout)
        if self.symbols:
            self.hidden = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))

    @classmethod
    def fit(cls, rows: Iterable[Row], options: MaskOptions) -> dict[str, Any]:
        """Nothing: what there is to say, the stems know."""
        return {}

    def choose(self, free: np.ndarray, draw: np.random.Generator, *, training: bool, values: bool) -> np.ndarray:
        """The share of the free vectors, to the nearest whole number but one at least. In training most symbols are
        hidden behind the mask, some behind another symbol, some are seen; otherwise all are behind the mask.
        """
        options = self.options
        how = np.full(len(free), _LEFT, np.uint8)
        (places,) = free.nonzero()
        if not len(places):
            return how
        share = options.share or (0.6 if values else 0.15)
        blocks = (np.arange(len(places)) + draw.integers(options.span)) // options.span
        order = np.argsort(draw.random(blocks[-1] + 1)[blocks], kind="stable")  # neighbours of a span stay together
        chosen = places[order[: max(1, round(share * len(places)))]]
        how[chosen] = _MASKED
        if training and not values:
            lot = draw.random(len(chosen))
            how[chosen[lot >= options.masked]] = _SWAPPED
            how[chosen[lot >= options.masked + options.swapped]] = _KEPT
        return how

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """Nothing: what is hidden is drawn anew each time."""
        return {}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """Of each stem ``places`` (K,) int64 in the rows' own sequences, ``counts`` (B,) how many are of each row, and
        ``known`` (K,) int64 symbols or (K, P) values.
        """
        out: Targets = {}
        for stem in self.fitted["holds"]:
            places, known = hidden_fields(stem)
            given = [e for e in examples if places in e]
            kind, shape = (np.int64, (-1,)) if stem in self.symbols else (np.float32, (-1, self._size(stem)))
            for field, as_type in ((places, np.int64), (known, kind)):
                arrays = [np.zeros(0, as_type), *(e[field] for e in given)]
                out[field] = torch.from_numpy(np.concatenate(arrays).astype(as_type))
            out[known] = out[known].reshape(shape)
            out[f"{stem}_counts"] = torch.tensor([len(e.get(places, ())) for e in examples])
        return out

    def units(self, targets: Targets) -> int:
        """Hidden places of which it is known what was there."""
        return sum(
            int((known != MISSING).sum()) if known.dim() == 1 else len(known)
            for known in (targets[hidden_fields(stem)[1]] for stem in self.fitted["holds"])
        )

    def loss(self, states: Packed, targets: Targets) -> Loss:
        total = states.values[:1].float().sum() * 0
        for stem, found, known in self._found(states, targets):
            if stem in self.symbols:
                there = known != MISSING
                if len(labels := known[there]):
                    total = total + token_loss(found[there], self.vectors[stem].float(), labels)
            elif len(known):
                total = total + (self.values[stem](found).float() - known).abs().mean(1).sum()
        return Loss(total, self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Over what is said of every hidden place."""
        assert isinstance(teacher, Mask)
        total = states.values[:1].float().sum() * 0
        pairs = zip(self._found(states, targets), teacher._found(taught, targets), strict=True)
        for (stem, ours, known), (_, theirs, _) in pairs:
            if stem in self.symbols:
                there = known != MISSING
                vectors = self.vectors[stem].float(), teacher.vectors[stem].float()
                total = total + soft_tokens(ours[there], vectors[0], theirs[there].detach(), vectors[1], temperature)
            elif len(known):
                goal = teacher.values[stem](theirs).float().detach()
                total = total + (self.values[stem](ours).float() - goal).square().mean(1).sum()
        return Loss(total, self.units(targets))

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets, *, top: int | None = None) -> list[Prediction]:
        """Of symbols ``hidden``, a list of ``{"at", "was", "said": [[symbol, probability], …], "nats"}``: the place in
        the sequence, what was there (null: a mask that the row came with), the ``top`` likeliest symbols, and what was
        there's -log(probability). Of values ``values``: ``{"at": [places], "l1", "squares", "spread"}``, means of the
        absolute and squared errors and of the squared values themselves.
        """
        out: list[Prediction] = [{} for _ in range(states.layout.count)]
        for stem, found, known in self._found(states, targets):
            places, counts = targets[hidden_fields(stem)[0]].tolist(), targets[f"{stem}_counts"].tolist()
            said = self._names(stem, found, known, places, top) if stem in self.symbols else []
            errors = self.values[stem](found).float() - known if stem in self.values else known
            at = 0
            for row, count in enumerate(counts):
                own = slice(at, at + count)
                if stem in self.symbols:
                    out[row].setdefault("hidden", []).extend(said[own])
                elif count:
                    out[row]["values"] = {
                        "at": places[own],
                        "l1": float(errors[own].abs().mean()),
                        "squares": float(errors[own].square().mean()),
                        "spread": float(known[own].square().mean()),
                    }
                at += count
        return out

    def _names(
        self, stem: str, found: Tensor, known: Tensor, places: Sequence[int], top: int | None
    ) -> list[dict[str, Any]]:
        names = self.symbols[stem]
        count = min(top or self.options.top, len(names))
        out: list[dict[str, Any]] = []
        for own, was, where in zip(found.split(256), known.split(256), _pieces(places, 256), strict=True):
            logs = (own @ self.vectors[stem].float().t()).log_softmax(-1)  # (k, V)
            best, at = logs.topk(count)
            of_was = logs.gather(1, was.clamp(min=0)[:, None])[:, 0].tolist()
            for place, true, log, logs_, numbers in zip(
                where, was.tolist(), of_was, best.tolist(), at.tolist(), strict=True
            ):
                said = [[names[n], round(math.exp(x), 4)] for n, x in zip(numbers, logs_, strict=True)]
                seen = true != MISSING
                out.append(
                    {"at": place, "was": names[true] if seen else None, "said": said, "nats": -log if seen else None}
                )
        return out

    def _found(self, states: Packed, targets: Targets) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Stem, what is read from the K states of its hidden places (K, D) float32, and what was there."""
        starts = states.layout.starts(states.device)
        for stem in self.fitted["holds"]:
            places, known = hidden_fields(stem)
            counts = targets[f"{stem}_counts"]
            at = targets[places] + starts.repeat_interleave(counts, output_size=len(targets[places]))
            layer = self.values[stem].weight if stem in self.values else self.hidden[0].weight
            assert isinstance(layer, Tensor)
            read = self.dropout(states.values[at].to(layer.dtype))  # (K, D)
            yield stem, self.hidden(read).float() if stem in self.symbols else read, targets[known]

    def _size(self, stem: str) -> int:
        return int(self.fitted["holds"][stem]["values"])


def _pieces(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """As ``Tensor.split`` cuts: one empty piece of nothing."""
    yield from (items[i : i + size] for i in range(0, max(len(items), 1), size))
