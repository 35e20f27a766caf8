"""Capture: every task's gradient of the shared parameters, at the cost of the backward passes that run anyway.

Each task's rows go forward and backward on their own, so what arrives in ``.grad`` meanwhile is that task's gradient. A
hook moves each piece, still in the processor's cache, into the task's row of one flat buffer. Word tables are apart: a
task touches few of their rows, so theirs are kept as those rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class _Piece:
    """Where a parameter lies in the flat buffer."""

    begin: int
    end: int
    layer: int


class Capture:
    """Rows of the Jacobian of the tasks' losses by the shared parameters.

    Args:
        layers: name of a layer -> its shared parameters that learn, from the input up.
        tables: those of them whose gradient is sparse (``sparse=True`` embeddings).
        dense: keep the tables' gradients in the buffer too, at full size, for methods that look at every number.
    """

    def __init__(
        self, layers: dict[str, list[nn.Parameter]], tables: Sequence[nn.Parameter] = (), *, dense: bool = False
    ) -> None:
        self.names = list(layers)
        apart = set() if dense else {id(p) for p in tables}
        self.parameters = [p for group in layers.values() for p in group if id(p) not in apart]
        self.tables = [p for group in layers.values() for p in group if id(p) in apart]
        self._layer_of_table = [n for n, group in enumerate(layers.values()) for p in group if id(p) in apart]
        self._pieces: dict[int, _Piece] = {}
        self._bounds: list[tuple[int, int]] = []
        at = 0
        for number, group in enumerate(layers.values()):
            begin = at
            for p in group:
                if id(p) not in apart:
                    self._pieces[id(p)] = _Piece(at, at + p.numel(), number)
                    at += p.numel()
            self._bounds.append((begin, at))
        self.size = at
        self._buffer: Tensor | None = None
        self._row: int | None = None
        self._written: list[set[int]] = []  # row -> parameters whose gradient has come
        self._sparse: dict[int, list[list[Tensor]]] = {}  # table -> row -> its pieces
        self.rows = 0
        self._hooks = [p.register_post_accumulate_grad_hook(self._take) for p in (*self.parameters, *self.tables)]

    def close(self) -> None:
        """Leaves the parameters alone from now on, and lets go of the buffer."""
        for hook in self._hooks:
            hook.remove()
        self._buffer, self._sparse = None, {}

    def begin(self, rows: int) -> None:
        """Makes room for ``rows`` gradients."""
        device = (self.parameters or self.tables)[0].device
        if self._buffer is None or len(self._buffer) < rows or self._buffer.device != device:
            self._buffer = torch.empty(rows, self.size, device=device)
        self.rows = rows
        self._written = [set() for _ in range(rows)]
        self._sparse = {id(p): [[] for _ in range(rows)] for p in self.tables}

    @contextmanager
    def row(self, number: int) -> Iterator[None]:
        """While open, gradients of the shared parameters are added to row ``number`` and not to ``.grad``."""
        self._row = number
        try:
            yield
        finally:
            self._row = None

    def clear(self, number: int) -> None:
        """Row ``number`` is to be captured anew."""
        self._written[number] = set()
        for rows in self._sparse.values():
            rows[number] = []

    def end(self, number: int | None = None) -> None:
        """All gradients have come, of one row or of every one: what it did not get is zero."""
        assert self._buffer is not None
        for row, written in enumerate(self._written) if number is None else [(number, self._written[number])]:
            for p in self.parameters:
                if id(p) not in written:
                    piece = self._pieces[id(p)]
                    self._buffer[row, piece.begin : piece.end] = 0

    def _take(self, p: Tensor) -> None:
        if self._row is None or p.grad is None:
            return
        assert self._buffer is not None
        grad, p.grad = p.grad, None
        if id(p) in self._sparse:
            self._sparse[id(p)][self._row].append(grad if grad.is_sparse else grad.to_sparse(1))
            return
        piece = self._pieces[id(p)]
        place = self._buffer[self._row, piece.begin : piece.end].view_as(p)
        if id(p) in self._written[self._row]:
            place.add_(grad)
        elif grad.is_sparse:
            place.zero_().add_(grad)
        else:
            place.copy_(grad)
        self._written[self._row].add(id(p))

    @property
    def matrix(self) -> Tensor:
        """(R, P) the captured gradients, without the tables."""
        assert self._buffer is not None
        return self._buffer[: self.rows]

    def gramians(self, rows: int | None = None) -> dict[str, Tensor]:
        """Layer -> (R, R) inner products of the first ``rows`` gradients (default: all), float64 on the CPU."""
        rows = self.rows if rows is None else rows
        found = torch.zeros(len(self.names), rows, rows, dtype=torch.float64)
        for number, (begin, end) in enumerate(self._bounds):
            if end > begin:
                part = self.matrix[:rows, begin:end]
                found[number] += (part @ part.T).cpu().double()
        for p, number in zip(self.tables, self._layer_of_table, strict=True):
            found[number] += _gramian_of_rows([self._merged(p, row) for row in range(rows)])
        return dict(zip(self.names, found, strict=True))

    def _merged(self, p: Tensor, row: int) -> Tensor | None:
        """A table's captured gradient as one coalesced sparse tensor."""
        pieces = self._sparse[id(p)][row]
        if not pieces:
            return None
        merged = _add(pieces)
        self._sparse[id(p)][row] = [merged]
        return merged

    @torch.no_grad()
    def descend(self, row: int, rate: float) -> None:
        """Moves the shared parameters against one captured gradient: θ ← θ - rate · g."""
        for p in self.parameters:
            piece = self._pieces[id(p)]
            p.sub_(self.matrix[row, piece.begin : piece.end].view_as(p), alpha=rate)
        for p in self.tables:
            if (found := self._merged(p, row)) is not None:
                p.index_add_(0, found.indices()[0], found.values(), alpha=-rate)

    def combine(self, weights: Tensor) -> None:
        """Sets ``.grad`` of the shared parameters to Σ wᵣ gᵣ.

        Args:
            weights: (R,) of the captured rows.
        """
        self.put(weights.to(self.matrix) @ self.matrix)
        for p in self.tables:
            parts = [m * float(w) for row, w in enumerate(weights) if (m := self._merged(p, row)) is not None]
            p.grad = _add(parts) if parts else None

    def put(self, update: Tensor) -> None:
        """Sets ``.grad`` of the parameters in the buffer to pieces of ``update`` (P,)."""
        for p in self.parameters:
            piece = self._pieces[id(p)]
            p.grad = update[piece.begin : piece.end].view_as(p)


def _add(parts: Sequence[Tensor]) -> Tensor:
    """Sparse tensors of one shape, added up and coalesced."""
    indices = torch.cat([p._indices() for p in parts], dim=1)
    values = torch.cat([p._values() for p in parts])
    return torch.sparse_coo_tensor(indices, values, parts[0].shape, check_invariants=False).coalesce()


def _gramian_of_rows(rows: Sequence[Tensor | None]) -> Tensor:
    """(R, R) inner products of coalesced sparse (V, D) tensors: only rows that two of them share count."""
    out = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    known = [None if r is None else (r.indices()[0], r.values()) for r in rows]
    for i, one in enumerate(known):
        for j, other in enumerate(known[: i + 1]):
            if one is None or other is None or not len(one[0]) or not len(other[0]):
                continue
            place = torch.searchsorted(other[0], one[0]).clamp(max=len(other[0]) - 1)
            same = other[0][place] == one[0]
            out[i, j] = out[j, i] = float((one[1][same] * other[1][place[same]]).sum())
    return out
