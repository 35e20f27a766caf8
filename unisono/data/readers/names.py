"""names: class numbers back to class names, as Hugging Face data sets declare them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

Names = Mapping[str, Sequence[str]]  # column -> its class names, in the order of their numbers


def names_in_schema(schema: pa.Schema) -> dict[str, Sequence[str]]:
    """From the metadata that ``datasets`` writes into Parquet and Arrow files."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        found = {column: _names(feature) for column, feature in features.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {column: names for column, names in found.items() if names}


def names_in_features(features: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """From the features of a ``datasets.Dataset``."""
    out: dict[str, Sequence[str]] = {}
    for column, feature in features.items():
        inner = getattr(feature, "feature", feature)
        names = getattr(inner, "names", None)
        if names:
            out[column] = list(names)
    return out


def renamed(row: dict[Any, Any], names: Names) -> dict[Any, Any]:
    """The row with class numbers replaced; -1, which stands for a hidden label there, becomes None."""
    for column, known in names.items():
        value = row.get(column)
        if isinstance(value, list):
            row[column] = [_named(v, known) for v in value]
        elif value is not None:
            row[column] = _named(value, known)
    return row


def _named(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None if value == -1 else value
    return value


def _names(feature: Any) -> list[str] | None:
    if isinstance(feature, list):
        return _names(feature[0])
    if feature.get("_type") == "ClassLabel":
        return [str(n) for n in feature["names"]]
    return _names(feature["feature"]) if isinstance(feature.get("feature"), dict) else None
