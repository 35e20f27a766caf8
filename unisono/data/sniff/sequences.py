"""sequences: whether a column holds molecules or the letters of DNA, RNA or proteins, not words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_NUCLEIC = re.compile(r"[ACGTUNacgtun]{8,}")
_PROTEIN = re.compile(r"[A-Z]{20,}\*?")
_SMILES = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$:/\\%.~*]+")
_BONDS = re.compile(r"[()=#\[\]]|[cno]\d")  # what few words have, and few molecules lack


def is_sequence(column: str | int, values: Sequence[Any]) -> bool:
    """Whether nearly all values of a column are spelt so, by what stands there and what the column is called."""
    given = [v.strip() for v in values if isinstance(v, str) and v.strip()]
    if len(given) < max(2, len(values) / 2):
        return False
    if any(_nearly_all(given, pattern) for pattern in (_NUCLEIC, _PROTEIN)):
        return True
    named = "smiles" in str(column).lower()
    bonded = sum(bool(_BONDS.search(v)) for v in given) > len(given) / 2
    return (named or (bonded and len(set(given)) > len(given) / 2)) and _nearly_all(given, _SMILES)


def _nearly_all(given: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return sum(bool(pattern.fullmatch(v)) for v in given) > 0.95 * len(given)
