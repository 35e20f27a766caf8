"""summary: what is in a split: counts, missing labels, label balance, lengths."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow.compute as pc

from unisono.data.examples import Examples
from unisono.data.rows import Rows

_QUANTILES = {"min": 0.0, "5%": 0.05, "50%": 0.5, "95%": 0.95, "max": 1.0}
_LABELS = ("label", "labels", "tags", "flags")


def summary(rows: Rows, examples: Examples | None = None) -> dict[str, Any]:
    """Plain JSON about one split, in one pass and constant memory. (Bad rows are counted by ``Quarantine.reasons``.)

    Args:
        rows: the split.
        examples: the same, encoded; without it lengths are in characters or words.

    Returns:
        ``rows``: how many. ``missing``: role -> rows without a value, for labels and where there are any; for texts,
        flags one entry a column (``target.de``). ``gaps``: column of a record -> cells without a value.
        ``balance``: role -> label -> count, the commonest first; of tags, words are counted. ``numbers``: role -> min,
        mean, max. ``lengths``: min, 5%, 50%, 95%, max and mean, with their ``unit``: "tokens", "words" or "characters".
    """
    missing: Counter[str] = Counter()
    gaps: Counter[str] = Counter()
    balance: dict[str, Counter[str]] = {n: Counter() for n in rows.roles if rows.kinds[n] in _LABELS}
    sums: dict[str, list[float]] = {}
    measured = next((n for n in rows.roles if rows.kinds[n] in ("text", "tokens")), None) if examples is None else None
    sizes: list[np.ndarray] = []
    for batch in rows.record_batches():
        for name in rows.roles:
            kind, column = rows.kinds[name], batch.column(name)
            if kind in ("texts", "record"):
                for field, own in zip(column.type, column.flatten(), strict=True):  # null where all of the row is
                    (gaps if kind == "record" else missing)[f"{name}.{field.name}"] += own.null_count
                continue
            if kind == "flags":
                for i, field in enumerate(column.type):
                    own = column.flatten()[i]
                    missing[f"{name}.{field.name}"] += own.null_count
                    balance[name][field.name] += pc.sum(own).as_py() or 0
                continue
            missing[name] += column.null_count
            if kind in _LABELS:
                flat = column if kind == "label" else column.flatten()
                for entry in pc.value_counts(flat.drop_null()).to_pylist():
                    balance[name][entry["values"]] += entry["counts"]
            elif kind == "number" and column.null_count < len(column):
                low, high = pc.min_max(column).as_py().values()
                old = sums.get(name, [low, 0.0, 0.0, high])
                found = len(column) - column.null_count
                sums[name] = [min(old[0], low), old[1] + pc.sum(column).as_py(), old[2] + found, max(old[3], high)]
        if measured is not None:
            count = pc.list_value_length if rows.kinds[measured] == "tokens" else pc.utf8_length
            sizes.append(count(batch.column(measured)).fill_null(0).to_numpy())
    unit = "tokens" if measured is None else "words" if rows.kinds[measured] == "tokens" else "characters"
    if examples is not None:
        sizes = [examples.lengths]
    return {
        "rows": len(rows),
        "missing": {n: c for n, c in missing.items() if c or rows.kinds.get(n) in (*_LABELS, "number")},
        "gaps": {n: c for n, c in gaps.items() if c},
        "balance": {name: dict(counts.most_common()) for name, counts in balance.items()},
        "numbers": {
            n: {"min": low, "mean": total / count, "max": high} for n, (low, total, count, high) in sums.items()
        },
        "lengths": {**_quantiles(sizes), "unit": unit},
    }


def _quantiles(sizes: list[np.ndarray]) -> dict[str, float]:
    values = np.concatenate(sizes) if sizes else np.zeros(0)
    if not len(values):
        return dict.fromkeys((*_QUANTILES, "mean"), 0.0)
    found = np.quantile(values, list(_QUANTILES.values()), method="nearest")
    return {**{name: float(v) for name, v in zip(_QUANTILES, found, strict=True)}, "mean": float(values.mean())}
