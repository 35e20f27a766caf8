"""Packed: sequences laid end to end without padding, and the one legend of shape letters.

Letters used in every shape comment of the project:
    B sequences in a pack · N tokens in a pack (the sum of its lengths) · L length of one sequence · D trunk width
    H attention heads · K width of one attention head · T tasks · P parameters · V labels or vocabulary entries
    W words (or other labelled units) in a pack · S decoder steps
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


class Layout:
    """Where each sequence of a pack begins and ends. Immutable; shared by every Packed with the same lengths.

    Args:
        lengths: the B sequence lengths, each at least 1, in the order of the pack.
    """

    def __init__(self, lengths: Iterable[int]) -> None:
        self.lengths: tuple[int, ...] = tuple(int(n) for n in lengths)
        if not self.lengths or min(self.lengths) < 1:
            raise ValueError(f"a pack needs sequences of length 1 or more, got lengths {self.lengths[:8]}")
        self._on: dict[tuple[str, torch.device], Tensor] = {}

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """B + 1 cumulative lengths, beginning with 0."""
        out = [0]
        for n in self.lengths:
            out.append(out[-1] + n)
        return tuple(out)

    @property
    def count(self) -> int:
        """B."""
        return len(self.lengths)

    @property
    def total(self) -> int:
        """N."""
        return self.offsets[-1]

    @cached_property
    def longest(self) -> int:
        return max(self.lengths)

    @cached_property
    def runs(self) -> tuple[tuple[int, int, int], ...]:
        """Neighbouring sequences of equal length: (first token, how many sequences, their length)."""
        out: list[tuple[int, int, int]] = []
        for start, length in zip(self.offsets, self.lengths, strict=False):
            if out and out[-1][2] == length:
                out[-1] = (out[-1][0], out[-1][1] + 1, length)
            else:
                out.append((start, 1, length))
        return tuple(out)

    def starts(self, device: torch.device) -> Tensor:
        """(B,) int64: the first token of each sequence."""
        return self._tensor("starts", device)

    def positions(self, device: torch.device) -> Tensor:
        """(N,) int64: the place of each token in its own sequence, from 0."""
        return self._tensor("positions", device)

    def segments(self, device: torch.device) -> Tensor:
        """(N,) int64: the number of the sequence that each token belongs to."""
        return self._tensor("segments", device)

    def cumulative(self, device: torch.device) -> Tensor:
        """(B + 1,) int32: the offsets, as variable-length attention kernels take them."""
        return self._tensor("cumulative", device)

    def _tensor(self, what: str, device: torch.device) -> Tensor:
        key = (what, torch.device(device))
        if key not in self._on:
            self._on[key] = self._build(what).to(device)
        return self._on[key]

    def _build(self, what: str) -> Tensor:
        lengths = torch.tensor(self.lengths)
        if what == "cumulative":
            return torch.tensor(self.offsets, dtype=torch.int32)
        starts = torch.tensor(self.offsets[:-1])
        if what == "starts":
            return starts
        if what == "segments":
            return torch.arange(self.count).repeat_interleave(lengths)
        return torch.arange(self.total) - starts.repeat_interleave(lengths)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.lengths == other.lengths

    def __hash__(self) -> int:
        return hash(self.lengths)

    def __repr__(self) -> str:
        return f"Layout(B={self.count}, N={self.total}, longest={self.longest})"


@dataclass(frozen=True)
class Packed:
    """Values of B sequences end to end.

    Args:
        values: (N, ...), on any device.
        layout: the lengths of the B sequences; they sum to N.
    """

    values: Tensor
    layout: Layout

    def __post_init__(self) -> None:
        if self.values.shape[0] != self.layout.total:
            raise ValueError(f"{self.values.shape[0]} packed values, but the lengths sum to {self.layout.total}")

    @classmethod
    def join(cls, sequences: Sequence[Tensor]) -> Packed:
        """Lays sequences of shape (L, ...) end to end."""
        return cls(torch.cat(list(sequences)), Layout(len(s) for s in sequences))

    @classmethod
    def from_padded(cls, values: Tensor, lengths: Iterable[int]) -> Packed:
        """(B, L, ...) with the first ``lengths[b]`` places of each row real -> (N, ...)."""
        layout = Layout(lengths)
        device = values.device
        return cls(values[layout.segments(device), layout.positions(device)], layout)

    @property
    def device(self) -> torch.device:
        return self.values.device

    def like(self, values: Tensor) -> Packed:
        """The same layout with other values (N, ...)."""
        return Packed(values, self.layout)

    def first(self) -> Tensor:
        """(B, ...): the value at the first token of each sequence."""
        return self.values[self.layout.starts(self.device)]

    def mean(self) -> Tensor:
        """(B, D): the mean over each sequence."""
        segments = self.layout.segments(self.device)
        sums = self.values.new_zeros(self.layout.count, *self.values.shape[1:]).index_add(0, segments, self.values)
        counts = torch.tensor(self.layout.lengths, device=self.device, dtype=self.values.dtype)
        return sums / counts.view(-1, *[1] * (self.values.dim() - 1))

    def select(self, sequences: Sequence[int]) -> Packed:
        """Some of the sequences, in the order asked for."""
        if len(sequences) == self.layout.count and all(b == i for i, b in enumerate(sequences)):
            return self
        parts = self.split()
        return Packed.join([parts[b] for b in sequences])

    def split(self) -> tuple[Tensor, ...]:
        """B tensors (L, ...), views of the pack."""
        return self.values.split(list(self.layout.lengths))

    def padded(self, fill: float = 0.0) -> tuple[Tensor, Tensor]:
        """(B, L, ...) filled up with ``fill``, and the mask (B, L), true where a token is real."""
        layout, device = self.layout, self.device
        out = self.values.new_full((layout.count, layout.longest, *self.values.shape[1:]), fill)
        mask = torch.zeros(layout.count, layout.longest, dtype=torch.bool, device=device)
        at = (layout.segments(device), layout.positions(device))
        mask[at] = True
        return out.index_put(at, self.values), mask

    def to(self, device: torch.device | str) -> Packed:
        return Packed(self.values.to(device), self.layout)


def passes(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Cuts sequences into packs of at most ``most`` tokens, like lengths together; yields their places."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    pack: list[int] = []
    total = 0
    for i in order:
        if pack and total + lengths[i] > most:
            yield pack
            pack, total = [], 0
        pack.append(i)
        total += lengths[i]
    if pack:
        yield pack
