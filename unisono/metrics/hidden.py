"""Scores of what is said of hidden places: accuracy and perplexity of symbols, L1 and R² of values."""

from __future__ import annotations

import math
from collections.abc import Sequence

from unisono.metrics.gold import Prediction, Row, Scores


def score_hidden(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """What was hidden of a row stands in its prediction, beside what was said of it.

    ``accuracy`` and ``perplexity`` are over all hidden symbols; ``l1`` and ``r2`` over all hidden values, R² against
    saying 0, their mean. ``rows`` counts the rows of which something was hidden; without any, no scores.
    """
    symbols = [one for p in predictions for one in p.get("hidden", ()) if one["was"] is not None]
    values = [p["values"] for p in predictions if p.get("values")]
    out: Scores = {}
    if symbols:
        out["accuracy"] = sum(one["said"][0][0] == one["was"] for one in symbols) / len(symbols)
        out["perplexity"] = math.exp(min(sum(one["nats"] for one in symbols) / len(symbols), 700.0))
    if values:
        counts = [len(v["at"]) for v in values]
        means = {
            key: sum(n * v[key] for n, v in zip(counts, values, strict=True)) / sum(counts)
            for key in ("l1", "squares", "spread")
        }
        out["l1"] = means["l1"]
        out["r2"] = 1 - means["squares"] / means["spread"] if means["spread"] else 0.0
    if out:
        known = (bool(p.get("values")) or any(o["was"] is not None for o in p.get("hidden", ())) for p in predictions)
        out["rows"] = float(sum(known))
    return out
