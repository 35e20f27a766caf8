"""splits: cuts the splits that the data does not bring, and draws at most so many rows, both from the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from unisono.data.errors import DataError, nearest
from unisono.data.rows import Rows
from unisono.data.scaffolds import SCAFFOLD, cut_by_scaffold
from unisono.data.spec import Data


def complete(given: Mapping[str, Rows], spec: Data, seed: int) -> dict[str, Rows]:
    """Given splits stay whole; a missing validation or test is cut from train, disjoint and without losing a row.

    Raises:
        DataError: rows are to be cut by a role that they do not have.
    """
    out = dict(given)
    if "train" in out:
        rows = out["train"]
        shares = {s: getattr(spec.ratio, s) for s in ("validation", "test") if s not in out}
        if any(shares.values()) and len(parts := _cut(rows, shares, spec.ratio.by, seed)) > 1:
            out.update({split: rows.select(index) for split, index in parts.items()})
    return {s: _limited(out[s], spec, s, seed) for s in ("train", "validation", "test") if s in out}


def cut(n: int, shares: Mapping[str, float], seed: int) -> dict[str, np.ndarray]:
    """Row numbers of each part: "train" and those in ``shares`` that get a row. Each part is ascending.

    Depends on the seed and ``n`` alone, so tasks over line-aligned files are cut alike.
    """
    order = np.arange(n, dtype=_small(n))
    np.random.default_rng([seed, n]).shuffle(order)
    out: dict[str, np.ndarray] = {}
    taken = 0
    for split, share in shares.items():
        size = min(max(1, round(n * share)), n - taken - 1) if share > 0 else 0  # train keeps a row at least
        if size > 0:
            out[split] = np.sort(order[taken : taken + size])
            taken += size
    order[taken:].sort()  # in place: of ten million rows a copy is worth avoiding
    return {"train": order[taken:], **out}


def _cut(rows: Rows, shares: Mapping[str, float], by: str | None, seed: int) -> dict[str, np.ndarray]:
    if by is None:
        return cut(len(rows), shares, seed)
    if by == SCAFFOLD:
        return cut_by_scaffold(rows, shares)
    if by not in rows.roles:
        raise DataError(f'ratio.by: this task has no "{by}"{nearest(by, rows.roles)} (it has: {", ".join(rows.roles)})')
    groups = _groups(rows, by)
    parts = cut(int(groups.max()) + 1, shares, seed)
    return {split: np.flatnonzero(np.isin(groups, numbers)) for split, numbers in parts.items()}


def _groups(rows: Rows, role: str) -> np.ndarray:
    """(n,) which group each row is in, numbered from 0 in the order in which they turn up; rows without a value are one
    group.
    """
    hashes = [np.empty(0, np.uint64)]
    for batch in rows.record_batches():
        texts = (repr(value).encode("utf-8", "surrogatepass") for value in batch.column(role).to_pylist())
        numbers = [int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") for text in texts]
        hashes.append(np.array(numbers, np.uint64))
    _, first, inverse = np.unique(np.concatenate(hashes), return_index=True, return_inverse=True)
    numbered: np.ndarray = np.argsort(np.argsort(first))[inverse]
    return numbered


def _small(n: int) -> type[np.signedinteger[Any]]:
    return np.int32 if n < 2**31 else np.int64


def _limited(rows: Rows, spec: Data, split: str, seed: int) -> Rows:
    limit = spec.limit.get(split) if isinstance(spec.limit, dict) else spec.limit  # type: ignore[call-overload]
    if limit is None or len(rows) <= limit:
        return rows
    # Drawn, not the first ones: files are often sorted by class.
    return rows.select(np.random.default_rng([seed, len(rows), 1]).permutation(len(rows))[:limit])
