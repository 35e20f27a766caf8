"""Heads in a graph: what of each kind of head is exported, one file a family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unisono.deploy.errors import ExportError
from unisono.deploy.heads.base import Exported, Run
from unisono.deploy.heads.boxed import guessed, queried
from unisono.deploy.heads.heard import recognized, transcribed
from unisono.deploy.heads.mapped import measured, segmented
from unisono.deploy.heads.matched import matched
from unisono.deploy.heads.placed import spanned, tagged
from unisono.deploy.heads.pooled import classified, regressed
from unisono.deploy.heads.written import written
from unisono.heads import Head
from unisono.heads.caption import Answer, Caption
from unisono.heads.classify import Classify
from unisono.heads.dense import Dense
from unisono.heads.detect_dense import DetectDense
from unisono.heads.detect_set import DetectSet
from unisono.heads.match import Match
from unisono.heads.regress import Regress
from unisono.heads.segment import Segment
from unisono.heads.span import Span
from unisono.heads.speaker import Speaker
from unisono.heads.tag import Tag
from unisono.heads.transcribe import Transcribe
from unisono.heads.translate import Translate

__all__ = ["KNOWN", "Exported", "Run", "exported"]

# A head -> its graphs under a name. A class that extends one of these may say something else, so it is not meant.
KNOWN: dict[type[Head], Callable[[Any, str], Exported]] = {
    Classify: classified,
    Regress: regressed,
    Tag: tagged,
    Span: spanned,
    Match: matched,
    Translate: written,
    Caption: written,
    Answer: written,
    Segment: segmented,
    Dense: measured,
    DetectDense: guessed,
    DetectSet: queried,
    Transcribe: transcribed,
    Speaker: recognized,
}


def exported(head: Head, name: str) -> Exported:
    """The graphs of a head, in evaluation mode.

    Raises:
        ExportError: nothing is known of how to export such a head.
    """
    if type(head) not in KNOWN:
        raise ExportError(f"{type(head).__name__} cannot be exported")
    return KNOWN[type(head)](head, name)
