"""Gold: the rows that carry a label, beside what was predicted for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]  # role -> value, as the data room yields it
Prediction = Mapping[str, Any]  # what a head's ``predict`` gives for one row
Scores = dict[str, float]


def labelled(predictions: Sequence[Prediction], rows: Sequence[Row], role: str) -> list[tuple[Prediction, Any]]:
    """(prediction, gold) of every row whose ``role`` is not None.

    Raises:
        ValueError: there are not as many predictions as rows.
    """
    if len(predictions) != len(rows):
        raise ValueError(f"{len(predictions)} predictions for {len(rows)} rows")
    pairs = ((prediction, row.get(role)) for prediction, row in zip(predictions, rows, strict=True))
    return [(prediction, gold) for prediction, gold in pairs if gold is not None]
