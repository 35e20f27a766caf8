"""tag: one tag for each word of a sequence, and the entities that the tags spell.

A linear map over the state of each word's first token (Devlin et al. 2019, section 5.3). What it says always keeps to
the tag scheme of the data: the best valid sequence is found by dynamic programming, with or without a trained CRF.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.crf import CRF, viterbi
from unisono.heads.distill import TEMPERATURE, soft_classes
from unisono.heads.names import unknown
from unisono.heads.readout import Readout
from unisono.heads.scheme import closed, detect, feasible, rewrite
from unisono.packed import Packed
from unisono.runtime.scheme import Scheme, parse


class TagOptions(base.Options):
    """What a recipe may say about a tagging head."""

    only_with: ClassVar[base.OnlyWith] = {"hidden": ("layers", base.MANY)}

    crf: bool = Field(False, description="learn which tags follow which: a conditional random field over the sentence")
    scheme: Literal["auto", "plain", "IOB1", "BIO", "BIOES"] = Field(
        "auto", description="how tags spell entities; plain: they do not (parts of speech)"
    )
    layers: int = Field(0, ge=0, description="hidden layers")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layers; default: the trunk's")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all tags")

    @model_validator(mode="after")
    def _one_loss(self) -> TagOptions:
        if self.crf and self.label_smoothing:
            raise ValueError("label_smoothing has no meaning for a crf: drop one of the two")
        return self


class Tag(Head):
    """One tag per word.

    A row's tags are names, one per word; ``None`` for a word without one. Sequences that break the scheme (``O I-PER``)
    are spelled anew with the same entities before they are learned.

    ``fitted``: ``tags`` (V names in the order of the logits), ``counts`` (V), ``scheme``.
    """

    Options: ClassVar[type[base.Options]] = TagOptions
    labels_in: ClassVar[tuple[str, ...]] = ("tags",)
    words: ClassVar[bool] = True

    options: TagOptions

    def __init__(self, width: int, options: TagOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.scheme = Scheme(fitted["scheme"], fitted["tags"])
        self.tags = self.scheme.tags
        self.unseen = self.scheme.number.get("O", int(np.argmax(fitted["counts"])))  # what a word cut off is said to be
        self.readout = Readout(
            width, len(self.tags), layers=options.layers, hidden=options.hidden, dropout=options.dropout
        )
        rules = (self.scheme.allowed, self.scheme.first, self.scheme.last)
        self.crf = CRF(*rules) if options.crf else None
        # What is thought of a word that has no token: it is outside, or goes on with an entity that goes on after it.
        blank = 0.5 * torch.from_numpy(self.scheme.inside).float()
        blank[self.unseen] = 1.0
        self.register_buffer("_blank", blank, persistent=False)
        for name, rule in zip(("follow", "first", "last"), rules, strict=True):
            scores = torch.zeros(rule.shape).masked_fill(torch.from_numpy(~rule), -torch.inf)
            self.register_buffer(f"_{name}", scores, persistent=False)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: TagOptions) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        pairs: Counter[tuple[str | None, str]] = Counter()  # tag after tag, or after None at the head of a sentence
        for row in rows:
            tags = row.get("tags")
            if tags is None:
                continue
            counts.update(t for t in tags if t is not None)
            pairs.update((a, b) for a, b in zip([None, *tags], tags, strict=False) if b is not None)
        if not counts:
            raise ValueError("no training row has tags; see where they come from")
        name = detect(counts, *_starts(pairs)) if options.scheme == "auto" else options.scheme
        tags = closed(counts, name)
        return {"tags": tags, "counts": [counts[t] for t in tags], "scheme": name}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``tags``: (W,), missing where the row has none or the word was cut off."""
        words, tags = tokens["words"], row.get("tags")
        if tags is None:
            return {"tags": np.full(len(words), MISSING, dtype=np.int32)}
        if len(tags) != len(words):
            raise UnfitRow(f"{len(tags)} tags for {len(words)} words")
        number = self.scheme.number
        for tag in tags:
            if tag is not None and tag not in number:
                raise unknown("tag", str(tag), self.tags)
        out = np.array([MISSING if t is None else number[t] for t in tags], dtype=np.int32)
        if not self.scheme.plain:
            if (out != MISSING).all():
                out = out if self.scheme.valid(out) else rewrite(self.scheme, out)
            elif self.crf is not None and not feasible(self.scheme, out):
                raise UnfitRow(f"no valid {self.scheme.name} sequence has these tags: {list(tags)}")
        out[words < 0] = MISSING
        return {"tags": out}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """Of the W words that the trunk saw: ``index`` of their first token in the pack, ``sentence`` and ``word``
        (which word of which sequence), ``tags``. Of the B sequences: ``counts`` of words, those cut off among them.
        """
        counts = [len(e["words"]) for e in examples]
        words = np.concatenate([e["words"] for e in examples]).astype(np.int64)
        offsets = np.cumsum([0] + [len(e["ids"]) for e in examples])[:-1]
        sentence = np.repeat(np.arange(len(examples)), counts)
        word = np.concatenate([np.arange(n) for n in counts])
        tags = np.concatenate([e["tags"] for e in examples]).astype(np.int64)
        seen = words >= 0
        columns = {"index": words + offsets[sentence], "sentence": sentence, "word": word, "tags": tags}
        targets = {name: torch.from_numpy(column[seen]) for name, column in columns.items()}
        return {**targets, "counts": torch.tensor(counts)}

    def units(self, targets: Targets) -> int:
        """Words with a tag."""
        return int((targets["tags"] != MISSING).sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        logits, tags = self.logits(states, targets), targets["tags"]
        units = self.units(targets)
        if self.crf is None or not units:
            total = F.cross_entropy(
                logits, tags, ignore_index=MISSING, label_smoothing=self.options.label_smoothing, reduction="none"
            ).sum()  # reduction="sum" would do, but gives NaN gradients when nothing is labelled
            return Loss(total, units)
        grid, lengths = self._grid(logits, targets)
        gold = torch.full(grid.shape[:2], MISSING, device=grid.device)
        gold[targets["sentence"], targets["word"]] = tags
        labelled = (gold != MISSING).any(1)  # a sequence without labels costs nothing, and need not be computed
        whole = lengths == targets["counts"]
        each = (grid, lengths, gold, whole)
        return Loss(self.crf.loss(*(x[labelled] for x in each)), units)

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Over the scores of single words; what a CRF has learned of the order of tags stays as it is."""
        assert isinstance(teacher, Tag)
        with torch.no_grad():
            goal = teacher.logits(taught, targets)
        each = soft_classes(self.logits(states, targets), goal, temperature)  # (W,)
        return Loss((each * (targets["tags"] != MISSING)).sum(), self.units(targets))

    def supposed(self, targets: Targets) -> Targets:
        return {**targets, "tags": targets["tags"].clamp(min=0)}

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """``{"tags"}``, one per word, and for schemes of entities ``{"entities": [{"type", "start", "end"}]}`` in word
        numbers, ``end`` exclusive. Words that were cut off are "O", or else the most frequent tag.
        """
        grid, lengths = self._grid(self.logits(states, targets), targets)
        counts = targets["counts"].cpu().numpy()
        ends = np.cumsum(counts)
        tags = np.full(int(counts.sum()), self.unseen)
        if grid.shape[1]:
            path = self._decode(grid, lengths).cpu().numpy()
            sentence = np.repeat(np.arange(len(counts)), counts)
            word = np.arange(len(tags)) - (ends - counts)[sentence]
            reached = word < lengths.cpu().numpy()[sentence]
            tags[reached] = path[sentence[reached], word[reached]]
        names = np.array(self.tags, dtype=object)[tags].tolist()
        out: list[Prediction] = [{"tags": names[end - n : end]} for n, end in zip(counts, ends, strict=True)]
        if not self.scheme.plain:
            for prediction, entities in zip(out, self._entities(tags, counts), strict=True):
                prediction["entities"] = entities
        return out

    def logits(self, states: Packed, targets: Targets) -> Tensor:
        """(N, D) -> (W, V) float32."""
        out: Tensor = self.readout(states.values[targets["index"]])
        return out

    def _grid(self, logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        """(W, V) -> (B, S, V), each sequence up to the last word that was seen, and their lengths (B,).

        A word without tokens amid others (a control character, say) is given the scores ``_blank``.
        """
        sentence, word = targets["sentence"], targets["word"]
        lengths = torch.zeros_like(targets["counts"]).scatter_reduce(0, sentence, word + 1, "amax")
        steps = int(lengths.max())
        grid = self.get_buffer("_blank").to(logits.dtype).expand(len(lengths), steps, -1)
        return grid.index_put((sentence, word), logits), lengths

    def _decode(self, grid: Tensor, lengths: Tensor) -> Tensor:
        """(B, S, V) -> (B, S), the best sequences that keep to the scheme."""
        if self.crf is not None:
            return self.crf.decode(grid, lengths)
        best = grid.argmax(-1)
        if self.scheme.plain:
            return best
        follow, first, last = (self.get_buffer(f"_{n}") for n in ("follow", "first", "last"))
        # Where the words' best tags make a valid sequence, that is the answer: nearly always, after some training.
        inner = torch.arange(1, grid.shape[1], device=grid.device) < lengths[:, None]  # (B, S - 1)
        ends = best.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
        breaks = (follow[best[:, :-1], best[:, 1:]].isinf() & inner).any(1)
        breaks |= first[best[:, 0]].isinf() | last[ends].isinf()
        if breaks.any():
            scores = grid[breaks].log_softmax(-1)
            best[breaks] = viterbi(scores, lengths[breaks], follow.float(), first.float(), last.float())
        return best

    def _entities(self, tags: np.ndarray, counts: np.ndarray) -> list[list[dict[str, Any]]]:
        """The entities of each sentence, from the numbered tags of all words."""
        offsets = np.cumsum(counts) - counts
        heads = np.zeros(len(tags), dtype=bool)
        heads[offsets[counts > 0]] = True
        start, end = self.scheme.spans(tags, heads)
        sentence = np.repeat(np.arange(len(counts)), counts)[start]
        types = self.scheme.types[tags[start]].tolist()
        out: list[list[dict[str, Any]]] = [[] for _ in counts]
        first, after = (start - offsets[sentence]).tolist(), (end - offsets[sentence]).tolist()
        for s, kind, a, b in zip(sentence.tolist(), types, first, after, strict=True):
            out[s].append({"type": kind, "start": a, "end": b})
        return out


def _starts(pairs: Mapping[tuple[str | None, str], int]) -> tuple[int, int]:
    """How many entities begin with an I- tag, and how many begin at all."""
    inside = starts = 0
    for (before, tag), n in pairs.items():
        now, then = parse(tag), parse(before) if before is not None else ("O", "")
        if now is None or then is None or now[0] == "O":
            continue
        opened = now[0] == "I" and (then[0] not in "BI" or then[1] != now[1])
        inside += n * opened
        starts += n * (opened or now[0] in "BS")
    return inside, starts
