"""heads: one file for each way in which predictions are made of what graphs give."""

from __future__ import annotations

from collections.abc import Mapping

from .base import Arrays, Example, Head, Run
from .classify import Classify
from .dense import Dense
from .detect import Detect
from .match import Match
from .regress import Regress
from .segment import Segment
from .span import Span
from .speaker import Speaker
from .tag import Tag
from .transcribe import Transcribe
from .write import Answer, Caption, Translate

HEADS: Mapping[str, type[Head]] = {
    "answer": Answer,
    "caption": Caption,
    "classify": Classify,
    "dense": Dense,
    "detect": Detect,
    "match": Match,
    "regress": Regress,
    "segment": Segment,
    "span": Span,
    "speaker": Speaker,
    "tag": Tag,
    "transcribe": Transcribe,
    "translate": Translate,
}

__all__ = ["HEADS", "Arrays", "Example", "Head", "Run"]
