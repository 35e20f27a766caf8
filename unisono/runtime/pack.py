"""Pack: sequences of vectors laid end to end without padding, as the graphs take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from .errors import Damaged

Arrays = Mapping[str, np.ndarray]
RunGraph = Callable[[str, Arrays], Arrays]  # a graph's name and its inputs -> its outputs

# Field of an example: how many vectors each of its task's stems gives, 0 where its input is missing. One of texts alone
# has none.
SEGMENTS = "segments"


class Part(NamedTuple):
    """Vectors of a pack that one call of a stem's graph gives.

    Args:
        graph: its name. ``fields``: its inputs.
        places: (n,) where in the pack its n vectors go.
    """

    graph: str
    fields: Arrays
    places: np.ndarray


class Pack:
    """B sequences of N vectors.

    Args:
        sequences: of each ``segments`` (S,), or of texts alone ``ids`` (L,); and ``types`` (L,) unless all are 0.
        parts: what gives their vectors; none: the encoder's graph itself, of ``ids``.

    Attributes:
        starts, lengths: (B,) the first vector of each sequence, and how many it has.
        grid: (B, L) the vector at each place of each sequence, N where there is none.
        fields: the inputs of an encoder's graph, int64: ``ids``, ``types``, ``positions`` (N,), ``grid``, and ``place``
            (N,), where in the grid each vector is.
    """

    def __init__(self, sequences: Sequence[Arrays], parts: Sequence[Part] = ()) -> None:
        self.parts = parts
        self._lay(np.array([length(s) for s in sequences]))
        types = [s["types"] if "types" in s else np.zeros(length(s), np.int32) for s in sequences]
        self.fields["types"] = np.concatenate(types).astype(np.int64)
        if not parts:
            self.fields["ids"] = np.concatenate([s["ids"] for s in sequences]).astype(np.int64)

    def _lay(self, lengths: np.ndarray) -> None:
        """Sequences of these lengths (B,) end to end."""
        self.lengths = lengths
        ends = np.cumsum(lengths)
        self.starts = ends - lengths
        total, longest = int(ends[-1]), int(lengths.max())
        at = np.arange(longest)
        self.grid = np.where(at < lengths[:, None], self.starts[:, None] + at, total)  # (B, L)
        positions = np.arange(total) - np.repeat(self.starts, lengths)
        place = positions + np.repeat(np.arange(len(lengths)) * longest, lengths)
        self.fields: dict[str, np.ndarray] = {"positions": positions, "grid": self.grid, "place": place}

    def kept(self, numbers: Sequence[int]) -> tuple[Pack, np.ndarray]:
        """A pack of some of the sequences, for graphs that take states, and (n,) where its vectors are in this one."""
        rows = np.asarray(numbers)
        out = copy(self)
        out.parts = ()
        out._lay(self.lengths[rows])
        within = np.repeat(self.starts[rows] - out.starts, out.lengths)
        return out, np.arange(len(within)) + within

    def inputs(self, run: RunGraph) -> dict[str, np.ndarray]:
        """What the encoder's graph takes: ``fields``, and where stems have graphs of their own ``values`` (N, D_in).

        Raises:
            Damaged: a graph gives something else than the vectors that it is asked for.
        """
        if not self.parts:
            return dict(self.fields)
        values: np.ndarray | None = None
        for part in self.parts:
            own = run(part.graph, part.fields).get("values")
            wide = None if values is None else values.shape[1]
            if own is None or own.ndim != 2 or len(own) != len(part.places) or own.shape[1] != (wide or own.shape[1]):
                raise Damaged(f'graph "{part.graph}": it gives no "values" of {len(part.places)} vectors')
            if values is None:
                values = np.empty((int(self.lengths.sum()), own.shape[1]), np.float32)
            values[part.places] = own
        assert values is not None
        return {**self.fields, "values": values}

    def gridded(self, numbers: Sequence[int]) -> np.ndarray:
        """(b, l): the grid of some of the sequences."""
        rows = np.asarray(numbers)
        return np.ascontiguousarray(self.grid[rows, : self.lengths[rows].max()])


def length(example: Arrays) -> int:
    """How many vectors an example has."""
    return int(example[SEGMENTS].sum()) if SEGMENTS in example else len(example["ids"])


def passes(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Cuts sequences into packs, like lengths together, whose grids have at most ``most`` places; yields their numbers.

    Attention is laid out as a grid: it is this that takes memory, not the vectors.
    """
    pack: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda n: (lengths[n], n)):
        if pack and (len(pack) + 1) * lengths[number] > most:
            yield pack
            pack = []
        pack.append(number)
    if pack:
        yield pack
