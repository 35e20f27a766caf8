"""heads: one file for each way in which predictions are made of what graphs give."""

from __future__ import annotations

from collections.abc import Mapping

from .base import Arrays, Example, Head, Run
from .classify import Classify
from .match import Match
from .regress import Regress
from .span import Span
from .tag import Tag
from .write import Answer, Caption, Translate

HEADS: Mapping[str, type[Head]] = {
    "answer": Answer,
    "caption": Caption,
    "classify": Classify,
    "match": Match,
    "regress": Regress,
    "span": Span,
    "tag": Tag,
    "translate": Translate,
}

__all__ = ["HEADS", "Arrays", "Example", "Head", "Run"]
