"""writer: text from any states, by a Transformer decoder with its own vocabulary: what heads that write share.

Vaswani et al. 2017, with pre-norm layers (Xiong et al. 2020) and one embedding for input and output (Press and Wolf
2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Targets, UnfitRow
from unisono.heads.decoder import Decoder
from unisono.heads.distill import TEMPERATURE, soft_tokens
from unisono.heads.search import beam_steps, greedy_steps
from unisono.heads.token_loss import token_loss
from unisono.packed import Layout, Packed
from unisono.runtime.pieces import END, Pieces
from unisono.runtime.writing import Texts, growing

_ROWS = 512  # hypotheses decoded side by side: more do not run faster, and the cache grows with them


class WriterOptions(base.Options):
    """What a recipe may say about a head that writes text."""

    layers: int = Field(3, ge=1, description="decoder layers")
    width: int | None = Field(None, ge=2, description="decoder width; default: that of the trunk")
    heads: int | None = Field(None, ge=1, description="attention heads; default: one per 32 of width")
    feedforward: int | None = Field(None, ge=1, description="feed-forward width; default: 4 times width")
    vocabulary: int = Field(8000, ge=300, description="most pieces of the vocabulary learned from the targets")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the target spread over the vocabulary")
    max_length: int = Field(128, ge=1, description="most target tokens; longer targets are cut in training")
    beams: int = Field(4, ge=1, description="breadth of the search when predicting; 1 is greedy")
    length_penalty: float = Field(1.0, ge=0, description="0 favours short texts, above 1 long ones")


class Writer(Head):
    """Sequence to text; the unit of its loss is the target token, end of text included.

    A row may have several texts, each of which begins with the token of its language, if it has one; all read the same
    states.

    Args:
        width: trunk width D.
        options: see ``WriterOptions``.
        fitted: ``{"tokenizer": JSON text, "languages": [...]}``, the list empty without languages.
    """

    stepwise: ClassVar[bool] = True
    options: WriterOptions

    def __init__(self, width: int, options: WriterOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.pieces = Pieces(fitted["tokenizer"], fitted["languages"])
        own = options.width or width
        self.decoder = Decoder(
            len(self.pieces),
            width=own,
            source_width=width,
            layers=options.layers,
            heads=options.heads or max(1, own // 32),
            feedforward=options.feedforward or 4 * own,
            longest=options.max_length,
            dropout=options.dropout,
        )

    def write(self, texts: Mapping[str | None, Sequence[str]]) -> Example:
        """``target``: begin, tokens, end of each text, one after the other.

        Args:
            texts: language, or None -> its texts.
        """
        ids: list[int] = []
        for language, several in texts.items():
            for text in several:
                content = self.pieces.encode(text)
                if not text.strip() or not content:
                    raise UnfitRow(f"empty {self.labels_in[0]}" + (f" in {language}" if language is not None else ""))
                ids += [self.pieces.begin(language), *[*content, END][: self.options.max_length]]
        return {"target": np.array(ids or [MISSING], dtype=np.int32)}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``ids`` (M,) what the decoder reads, ``labels`` (M,) what comes next, ``lengths``, ``sources`` of texts."""
        ids, labels, lengths, sources = [], [], [], []
        begins = [self.pieces.begin(language) for language in self.pieces.languages or [None]]
        for source, example in enumerate(examples):
            flat = np.asarray(example["target"], dtype=np.int64)
            for text in np.split(flat, np.isin(flat, begins).nonzero()[0])[1:]:  # a missing target has no begin
                ids.append(text[:-1])
                labels.append(text[1:])
                lengths.append(len(text) - 1)
                sources.append(source)
        join = np.concatenate
        return {
            "ids": torch.from_numpy(join(ids) if ids else np.zeros(0, np.int64)),
            "labels": torch.from_numpy(join(labels) if labels else np.zeros(0, np.int64)),
            "lengths": torch.tensor(lengths, dtype=torch.int64),
            "sources": torch.tensor(sources, dtype=torch.int64),
        }

    def units(self, targets: Targets) -> int:
        """Target tokens, ends included."""
        return len(targets["labels"])

    def loss(self, states: Packed, targets: Targets) -> Loss:
        if not len(targets["labels"]):
            return Loss(states.values.sum() * 0, 0)
        hidden = self._hidden(states, targets)
        smoothing = self.options.label_smoothing
        total = token_loss(hidden, self.decoder.vectors, targets["labels"], smoothing=smoothing)
        return Loss(total, self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Both read the target so far; compared is what they expect next."""
        assert isinstance(teacher, Writer)
        if not len(targets["labels"]):
            return Loss(states.values.sum() * 0, 0)
        ours = self._hidden(states, targets)
        with torch.no_grad():
            theirs = teacher._hidden(taught, targets)
        vectors = self.decoder.vectors, teacher.decoder.vectors.detach()
        return Loss(soft_tokens(ours, vectors[0], theirs, vectors[1], temperature), self.units(targets))

    def _hidden(self, states: Packed, targets: Targets) -> Tensor:
        """(M, D) the state of the decoder after each token that it has read."""
        layout = Layout(targets["lengths"].tolist())
        out: Tensor = self.decoder(targets["ids"], layout, states, targets["sources"].tolist())
        return out

    def search(
        self,
        states: Packed,
        language: str | None = None,
        *,
        partial: bool = False,
        beams: int | None = None,
        max_new: int | None = None,
        min_new: int = 0,
    ) -> Texts:
        """states (N, D) of B sources -> B texts, in steps.

        Args:
            language: the one to write in, where there are several.
            partial: yield what is written so far, by the number of its source, after each step. A search of more than
                one beam has nothing to show before its end, so without ``beams`` it then has one.
            beams: breadth of the search; default: that of the options.
            max_new: the most tokens to produce, end included; default: ``max_length`` of the options.
            min_new: the fewest.
        """
        beams = beams or (1 if partial else self.options.beams)
        longest = self.options.max_length
        common: dict[str, Any] = {
            "begin": self.pieces.begin(language),
            "end": END,
            "barred": self.pieces.specials,
            "max_new": min(max_new or longest, longest),
            "min_new": min_new,
        }
        lengths = states.layout.lengths
        order = sorted(range(len(lengths)), key=lambda b: lengths[b])  # like lengths side by side: fewer pads
        parts, texts = states.split(), [""] * len(lengths)
        at_once = max(1, _ROWS // beams)
        for part in (order[i : i + at_once] for i in range(0, len(order), at_once)):
            group = Packed.join([parts[b] for b in part])
            if beams == 1:
                found = yield from growing(
                    greedy_steps(self.decoder, group, **common), part, self.pieces, partial=partial
                )
            else:
                penalty = self.options.length_penalty
                wide = beam_steps(self.decoder, group, beams=beams, length_penalty=penalty, **common)
                found = yield from growing(wide, part, self.pieces, partial=False)
            for b, ids in zip(part, found, strict=True):
                texts[b] = self.pieces.decode(ids)
        return texts
