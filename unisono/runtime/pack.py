"""Pack: sequences of tokens laid end to end without padding, as the graphs take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np


class Pack:
    """B sequences of N tokens.

    Args:
        sequences: of each ``ids`` (L,), and ``types`` (L,) unless all are 0.

    Attributes:
        starts, lengths: (B,) the first token of each sequence, and how many it has.
        grid: (B, L) the token at each place of each sequence, N where there is none.
        fields: the inputs of an encoder's graph, int64: ``ids``, ``types``, ``positions`` (N,), ``grid``, and ``place``
            (N,), where in the grid each token is.
    """

    def __init__(self, sequences: Sequence[Mapping[str, np.ndarray]]) -> None:
        self.lengths = np.array([len(s["ids"]) for s in sequences])
        ends = np.cumsum(self.lengths)
        self.starts = ends - self.lengths
        total, longest = int(ends[-1]), int(self.lengths.max())
        at = np.arange(longest)
        self.grid = np.where(at < self.lengths[:, None], self.starts[:, None] + at, total)  # (B, L)
        positions = np.arange(total) - np.repeat(self.starts, self.lengths)
        types = [s["types"] if "types" in s else np.zeros(len(s["ids"]), np.int32) for s in sequences]
        self.fields = {
            "ids": np.concatenate([s["ids"] for s in sequences]).astype(np.int64),
            "types": np.concatenate(types).astype(np.int64),
            "positions": positions,
            "grid": self.grid,
            "place": positions + np.repeat(np.arange(len(sequences)) * longest, self.lengths),
        }

    def gridded(self, numbers: Sequence[int]) -> np.ndarray:
        """(b, l): the grid of some of the sequences."""
        rows = np.asarray(numbers)
        return np.ascontiguousarray(self.grid[rows, : self.lengths[rows].max()])


def passes(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Cuts sequences into packs, like lengths together, whose grids have at most ``most`` places; yields their numbers.

    Attention is laid out as a grid: it is this that takes memory, not the tokens.
    """
    pack: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda n: (lengths[n], n)):
        if pack and (len(pack) + 1) * lengths[number] > most:
            yield pack
            pack = []
        pack.append(number)
    if pack:
        yield pack
