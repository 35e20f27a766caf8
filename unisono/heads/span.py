"""span: the piece of a context that answers a question. Devlin et al. 2019, sections 4.2 and 4.3.

Two numbers for each token of the context, for an answer that begins and one that ends there; of the sequence's first
token they stand for "no answer". A long context comes in windows, each a sequence of its own (see ``merge``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unisono.heads import base
from unisono.heads.base import MISSING, Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.distill import TEMPERATURE, soft_classes
from unisono.heads.readout import Readout
from unisono.packed import Packed

_CLOSED = -1e4  # the logit of what is no token of the context: no chance, but finite


class SpanOptions(base.Options):
    """What a recipe may say about a head that finds answers."""

    only_with: ClassVar[base.OnlyWith] = {"hidden": ("layers", base.MANY)}

    stride: int = Field(128, ge=0, description="tokens that neighbouring windows of a long context share")
    longest: int = Field(30, ge=1, description="tokens of an answer at most")
    threshold: float = Field(
        0.0,
        description="τ: by how much an answer must beat no answer to be given; where training rows have "
        "questions without answer",
    )
    layers: int = Field(0, ge=0, description="hidden layers")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layers; default: the trunk's")


class Span(Head):
    """One answer per question and context.

    A row's answers are ``[{"text", "start"}]`` by characters of the context; the first is learned, any is right when
    scores are counted. An empty list says that there is none. In a window that does not hold the answer, there is none.

    ``fitted``: ``unanswerable``, whether some training row has no answer; only then is "no answer" ever said.
    """

    Options: ClassVar[type[base.Options]] = SpanOptions
    labels_in: ClassVar[tuple[str, ...]] = ("answers",)

    options: SpanOptions

    def __init__(self, width: int, options: SpanOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.readout = Readout(width, 2, layers=options.layers, hidden=options.hidden, dropout=options.dropout)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: SpanOptions) -> dict[str, Any]:
        known = unanswerable = False
        for row in rows:
            answers = row.get("answers")
            known |= answers is not None
            unanswerable |= answers is not None and not answers
        if not known:
            raise ValueError("no training row has answers; see where they come from")
        return {"unanswerable": unanswerable}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``answer``: (2,) the first and the last of the window's candidates that the answer covers. Candidate 0 is no
        answer, candidate c the c-th token of the context.

        Args:
            tokens: of a window: ``context`` (1,), ``begins`` (C,) and ``ends`` (C,), as the text stem gives them.
        """
        return {"answer": np.array(_target(row, tokens["begins"], tokens["ends"]), np.int32)}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """Of S candidates a window, filled up where it has fewer: ``index`` (B, S) their tokens in the pack, ``open``
        (B, S) whether one may be chosen, ``begins`` and ``ends`` (B, S) their characters; ``answer`` (B, 2).
        """
        offsets = np.cumsum([0] + [len(e["ids"]) for e in examples])[:-1]
        shape = (len(examples), 1 + max(len(e["begins"]) for e in examples))
        index = np.broadcast_to(offsets[:, None], shape).astype(np.int64)
        begins, ends = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for b, e in enumerate(examples):
            own = slice(1, 1 + len(e["begins"]))
            index[b, own] += int(e["context"][0]) + np.arange(len(e["begins"]))
            begins[b, own], ends[b, own] = e["begins"], e["ends"]
        may = begins < ends
        may[:, 0] = True
        arrays = {"index": index, "open": may, "begins": begins, "ends": ends}
        answer = np.stack([e["answer"] for e in examples]).astype(np.int64)
        return {name: torch.from_numpy(array) for name, array in {**arrays, "answer": answer}.items()}

    def units(self, targets: Targets) -> int:
        """Windows with a label."""
        return int((targets["answer"][:, 0] != MISSING).sum())

    def loss(self, states: Packed, targets: Targets) -> Loss:
        """The mean of both ends' losses, summed over windows."""
        start, end = self.logits(states, targets)
        gold = targets["answer"]
        each = [
            F.cross_entropy(x, gold[:, n], ignore_index=MISSING, reduction="none") for n, x in enumerate((start, end))
        ]
        return Loss(0.5 * (each[0] + each[1]).sum(), self.units(targets))

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Over where answers begin and where they end."""
        assert isinstance(teacher, Span)
        with torch.no_grad():
            goals = teacher.logits(taught, targets)
        start, end = (soft_classes(x, y, temperature) for x, y in zip(self.logits(states, targets), goals, strict=True))
        known = targets["answer"][:, 0] != MISSING
        return Loss((0.5 * (start + end) * known).sum(), self.units(targets))

    def supposed(self, targets: Targets) -> Targets:
        return {**targets, "answer": targets["answer"].clamp(min=0)}

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets) -> list[Prediction]:
        """Of each window the best span: ``{"start", "end", "score", "none"}``: its characters in the context, ``end``
        exclusive; its score, the sum of two logits; and the score of "no answer".
        """
        start, end = self.logits(states, targets)
        score, first, last = best_spans(start[:, 1:], end[:, 1:], self.options.longest)
        rows = torch.arange(len(score), device=score.device)
        begins, ends = targets["begins"][rows, 1 + first], targets["ends"][rows, 1 + last]
        columns = (begins, ends, score, start[:, 0] + end[:, 0])
        names = ("start", "end", "score", "none")
        return [dict(zip(names, values, strict=True)) for values in zip(*(c.tolist() for c in columns), strict=True)]

    def merge(self, row: Row, parts: Sequence[Prediction]) -> Prediction:
        """``{"text", "start", "end", "score"}``: the best span of all windows, and by how much it beats "no answer",
        which must hold in every window (its least score counts). Without an answer, ``text`` is empty and ``start`` and
        ``end`` are null.
        """
        best = max(parts, key=lambda part: float(part["score"]))
        ahead = best["score"] - min(part["none"] for part in parts)
        if self.fitted["unanswerable"] and ahead <= self.options.threshold:
            return {"text": "", "start": None, "end": None, "score": ahead}
        start, end = best["start"], best["end"]
        return {"text": row["context"][start:end], "start": start, "end": end, "score": ahead}

    def logits(self, states: Packed, targets: Targets) -> tuple[Tensor, Tensor]:
        """(N, D) -> (B, S) twice, float32: each candidate as the first and as the last token of the answer."""
        both = self.readout(states.values)[targets["index"]]  # (N, 2) -> (B, S, 2)
        start, end = both.masked_fill(~targets["open"][..., None], _CLOSED).unbind(-1)
        return start, end


def best_spans(start: Tensor, end: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """The spans i to j, i <= j < i + longest, with the greatest start[i] + end[j]; for each length the best at once.

    Args:
        start, end: (B, C).

    Returns:
        (B,) their scores, first and last tokens.
    """
    width = start.shape[1]
    score, first = (start + end).max(1)
    last = first
    for more in range(1, min(longest, width)):
        found, at = (start[:, : width - more] + end[:, more:]).max(1)
        better = found > score
        score, first = torch.where(better, found, score), torch.where(better, at, first)
        last = torch.where(better, at + more, last)
    return score, first, last


def _target(row: Row, begins: np.ndarray, ends: np.ndarray) -> tuple[int, int]:
    answers = row.get("answers")
    if answers is None:
        return MISSING, MISSING
    if not answers:
        return 0, 0
    text, begin = answers[0]["text"], answers[0]["start"]
    if row["context"][begin : begin + len(text)] != text:
        raise UnfitRow(f'the answer is not at character {begin} of the context: "{text[:60]}"')
    begin, end = begin + len(text) - len(text.lstrip()), begin + len(text.rstrip())
    covered = np.flatnonzero((begins < end) & (ends > begin) & (begins < ends))
    seen = np.flatnonzero(begins < ends)
    if not len(covered) or begins[seen[0]] > begin or ends[seen[-1]] < end:
        return 0, 0  # the answer is not in this window, or not whole
    return 1 + int(covered[0]), 1 + int(covered[-1])
