"""An option that would change nothing beside the others is refused, and says which other one it needs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from unisono.heads.classify import ClassifyOptions
from unisono.heads.detect import DetectOptions
from unisono.heads.regress import RegressOptions
from unisono.heads.segment import SegmentOptions
from unisono.heads.span import SpanOptions
from unisono.heads.tag import TagOptions
from unisono.heads.transcribe import TranscribeOptions


@pytest.mark.parametrize(
    ("options", "idle", "needed", "says"),
    [
        (ClassifyOptions, {"threshold": 0.3}, {"multi": True}, "threshold belongs to multi: true, this one is false"),
        (ClassifyOptions, {"hidden": 8, "layers": 0}, {"layers": 2}, "hidden belongs to layers: 1 or more"),
        (RegressOptions, {"hidden": 8, "layers": 0}, {"layers": 1}, "hidden belongs to layers: 1 or more"),
        (TagOptions, {"hidden": 8}, {"layers": 1}, "hidden belongs to layers: 1 or more"),
        (SpanOptions, {"hidden": 8}, {"layers": 1}, "hidden belongs to layers: 1 or more"),
        (SegmentOptions, {"overlap": 32}, {"tile": 128}, "overlap belongs to tile: 1 or more, this one is null"),
        (TranscribeOptions, {"ctc": 0.5}, {"decoder": "attention"}, "ctc belongs to decoder: attention"),
        (DetectOptions, {"queries": 9}, {"decoder": "set"}, "queries belongs to decoder: set, this one is dense"),
        (DetectOptions, {"radius": 2, "decoder": "set"}, {"decoder": "dense"}, "radius belongs to decoder: dense"),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_refused(options, idle, needed, says):
    with pytest.raises(ValidationError, match=says):
        options(**idle)
    assert options(**{**idle, **needed})
