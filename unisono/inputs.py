"""Inputs: the rows of a pack as their stems took them in, several inputs of a row laid in one sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unisono.packed import Layout
from unisono.stems import Stem, Tokens

# Field of an example: how many vectors each of the task's stems gives, 0 where its input is missing. Where inputs are
# apart, how many each input gives.
SEGMENTS = "segments"
# Of an example whose inputs are apart: the number of each one's sequence in the pack, -1 where it is missing.
SEQUENCES = "sequences"


@dataclass(frozen=True)
class Part:
    """One stem's share of a pack.

    Args:
        fields: what it collated, of the rows that have its input.
        layout: how many vectors each of these becomes.
        places: (N_s,) where they go in the pack; None: they are all of it.
    """

    fields: Mapping[str, Tensor]
    layout: Layout
    places: Tensor | None = None

    def to(self, device: torch.device) -> Part:
        places = None if self.places is None else self.places.to(device)
        return replace(self, fields={name: f.to(device) for name, f in self.fields.items()}, places=places)


@dataclass(frozen=True)
class Inputs:
    """What the stems made of the rows of a pack.

    Args:
        layout: how many vectors each row has, all stems together.
        parts: stem -> its share, in the order in which inputs lie in a row's sequence.
    """

    layout: Layout
    parts: Mapping[str, Part]

    def to(self, device: torch.device) -> Inputs:
        return replace(self, parts={name: part.to(device) for name, part in self.parts.items()})

    @property
    def types(self) -> Tensor | None:
        """(N,) int64 token types, where a text is a pair; 0 for what is no text."""
        part = self.parts.get("text")
        types = part.fields.get("types") if part else None
        if part is None or types is None or part.places is None:
            return types
        return types.new_zeros(self.layout.total).index_copy(0, part.places, types)


def read(
    rows: Sequence[Mapping[str, Any]],
    stems: Mapping[str, Stem],
    roles: Mapping[str, Sequence[str]],
    *,
    asked: Sequence[str],
    words: bool,
    most: Mapping[str, int | None],
) -> list[Tokens | str]:
    """What the stems make of each row's inputs; for a row that has none, or a broken one, the reason instead.

    Args:
        rows: role -> value.
        stems: those of the task, in order; ``roles``: stem -> the roles that it reads.
        asked: the roles of which a row must have one, for the reason.
        words: text is already split into words.
        most: stem -> vectors of a row at most; None: the stem's own limit.
    """
    found: list[Tokens] = [{} for _ in rows]
    reasons: dict[int, str] = {}
    lengths = np.zeros((len(rows), len(stems)), np.int32)
    for at, (name, stem) in enumerate(stems.items()):
        have = [i for i, row in enumerate(rows) if any(row.get(role) is not None for role in roles[name])]
        taken = stem.tokens([rows[i] for i in have], words=words, max_length=most[name])
        for i, tokens in zip(have, taken, strict=True):
            if isinstance(tokens, str):
                reasons.setdefault(i, tokens)
            else:
                found[i] |= tokens
                lengths[i, at] = stem.length(tokens)
    if len(stems) > 1:
        found = [{**example, SEGMENTS: own} for example, own in zip(found, lengths, strict=True)]
    return _or_reasons(found, lengths, reasons, asked)


def read_apart(
    rows: Sequence[Mapping[str, Any]], stems: Mapping[str, Stem], sides: Mapping[str, str], *, most: int | None
) -> list[Tokens | str]:
    """As ``read``, where each input of a row is a sequence of its own: its fields are named ``ROLE/FIELD``.

    Args:
        sides: input role -> the stem that reads it.
        most: vectors of a sequence at most; None: the stem's own limit.
    """
    found: list[Tokens] = [{} for _ in rows]
    reasons: dict[int, str] = {}
    lengths = np.zeros((len(rows), len(sides)), np.int32)
    for at, (role, name) in enumerate(sides.items()):
        have = [i for i, row in enumerate(rows) if row.get(role) is not None]
        taken = stems[name].tokens([{name: rows[i][role]} for i in have], max_length=most)
        for i, tokens in zip(have, taken, strict=True):
            if isinstance(tokens, str):
                reasons.setdefault(i, tokens)
            else:
                found[i] |= {f"{role}/{field}": value for field, value in tokens.items()}
                lengths[i, at] = stems[name].length(tokens)
    found = [{**example, SEGMENTS: own} for example, own in zip(found, lengths, strict=True)]
    return _or_reasons(found, lengths, reasons, list(sides))


def _or_reasons(
    found: Sequence[Tokens], lengths: np.ndarray, reasons: Mapping[int, str], asked: Sequence[str]
) -> list[Tokens | str]:
    nothing = f"no input: {' and '.join(asked)} missing"
    return [
        reasons.get(i, nothing) if i in reasons or not lengths[i].any() else example for i, example in enumerate(found)
    ]


def drawn(
    stems: Mapping[str, Stem], examples: Sequence[Mapping[str, np.ndarray]]
) -> Sequence[Mapping[str, np.ndarray]]:
    """Examples with what their stems leave to chance, in training: once for all that is then made of them. Sequences
    apart from one another draw apart, as their labels do not lie on them.
    """
    for stem in stems.values():
        examples = stem.draw(examples)
    return examples


def collate(stems: Mapping[str, Stem], examples: Sequence[Mapping[str, np.ndarray]]) -> Inputs:
    """Examples end to end, in their order.

    Args:
        stems: those of the task, in order.
        examples: what the stems' ``tokens`` gave of each row, and with more than one stem ``segments``.
    """
    if len(stems) == 1:
        ((name, stem),) = stems.items()
        layout = Layout(stem.length(e) for e in examples)
        return Inputs(layout, {name: Part(stem.collate(examples), layout)})
    lengths = np.stack([e[SEGMENTS] for e in examples]).astype(np.int64)  # (B, S)
    layout = Layout(lengths.sum(1).tolist())
    starts = np.array(layout.offsets[:-1])[:, None] + np.cumsum(lengths, 1) - lengths  # (B, S)
    parts = {}
    for at, (name, stem) in enumerate(stems.items()):
        rows = np.flatnonzero(lengths[:, at]).tolist()
        if rows:
            own = Layout(lengths[rows, at].tolist())
            places = np.concatenate(
                [np.arange(n) + start for n, start in zip(own.lengths, starts[rows, at], strict=True)]
            )
            parts[name] = Part(stem.collate([examples[row] for row in rows]), own, torch.from_numpy(places))
    return Inputs(layout, parts)


def sequences(examples: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """(B, S) int32 where the inputs of rows lie in a pack that has each as a sequence of its own, from the shortest to
    the longest; -1 where one is missing.
    """
    lengths = np.stack([e[SEGMENTS] for e in examples])  # (B, S)
    rows, sides = np.nonzero(lengths)
    order = np.argsort(lengths[rows, sides], kind="stable")
    out = np.full(lengths.shape, -1, np.int32)
    out[rows[order], sides[order]] = np.arange(len(order))
    return out


def collate_apart(
    stems: Mapping[str, Stem], sides: Mapping[str, str], examples: Sequence[Mapping[str, np.ndarray]]
) -> Inputs:
    """Examples of ``read_apart`` as one pack with a sequence for each input of each row.

    Args:
        stems: those of the task. ``sides``: input role -> its stem.
        examples: with ``sequences``, the numbers that function gave.
    """
    return collate(stems, drawn(stems, alone(examples, sides, list(stems))))


def alone(examples: Sequence[Mapping[str, np.ndarray]], sides: Mapping[str, str], stems: Sequence[str]) -> list[Tokens]:
    """Each input of examples of ``read_apart`` as a sequence of its own, in the order of their numbers."""
    out: dict[int, Tokens] = {}
    for example in examples:
        for (role, name), number, length in zip(sides.items(), example[SEQUENCES], example[SEGMENTS], strict=True):
            if number >= 0:
                own = {f.removeprefix(f"{role}/"): v for f, v in example.items() if f.startswith(f"{role}/")}
                out[int(number)] = {**own, SEGMENTS: np.array([length * (name == s) for s in stems], np.int32)}
    return [out[number] for number in range(len(out))]


def collate_mixed(rows: Sequence[tuple[Mapping[str, Stem], Mapping[str, np.ndarray]]]) -> Inputs:
    """Rows of several tasks end to end, in their order; what ``collate`` is for rows of one.

    Args:
        rows: of each, the stems of its task in order, and its example.
    """
    stems: dict[str, Stem] = {}
    for own, _ in rows:
        stems |= own
    if len(stems) == 1:
        return collate(stems, [example for _, example in rows])
    names = list(stems)
    lengths = np.zeros((len(rows), len(names)), np.int64)  # (B, S)
    order = np.zeros_like(lengths)  # where among a row's stems each comes
    for b, (own, example) in enumerate(rows):
        each = example[SEGMENTS] if len(own) > 1 else [next(iter(own.values())).length(example)]
        for place, (name, length) in enumerate(zip(own, each, strict=True)):
            lengths[b, names.index(name)], order[b, names.index(name)] = length, place
    layout = Layout(lengths.sum(1).tolist())
    before = ((order[:, None, :] < order[:, :, None]) * lengths[:, None, :]).sum(2)  # (B, S) vectors of earlier stems
    starts = np.array(layout.offsets[:-1])[:, None] + before
    parts = {}
    for s, name in enumerate(names):
        have = np.flatnonzero(lengths[:, s]).tolist()
        if not have:  # no row has this input
            continue
        own_layout = Layout(lengths[have, s].tolist())
        places = np.concatenate(
            [np.arange(n) + start for n, start in zip(own_layout.lengths, starts[have, s], strict=True)]
        )
        fields = stems[name].collate([rows[b][1] for b in have])
        parts[name] = Part(fields, own_layout, torch.from_numpy(places))
    return Inputs(layout, parts)
