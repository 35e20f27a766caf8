"""An option that would change nothing beside the others is told apart, with the other one that it needs."""

from __future__ import annotations

import pytest

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
        (ClassifyOptions, {"threshold": 0.3}, {"multi": True}, "belongs to multi: true, this one is false"),
        (ClassifyOptions, {"hidden": 8, "layers": 0}, {"layers": 2}, "belongs to layers: 1 or more"),
        (RegressOptions, {"hidden": 8, "layers": 0}, {"layers": 1}, "belongs to layers: 1 or more"),
        (TagOptions, {"hidden": 8}, {"layers": 1}, "belongs to layers: 1 or more"),
        (SpanOptions, {"hidden": 8}, {"layers": 1}, "belongs to layers: 1 or more"),
        (SegmentOptions, {"overlap": 32}, {"tile": 128}, "belongs to tile: 1 or more, this one is null"),
        (TranscribeOptions, {"ctc": 0.5}, {"decoder": "attention"}, "belongs to decoder: attention"),
        (DetectOptions, {"queries": 9}, {"decoder": "set"}, "belongs to decoder: set, this one is dense"),
        (DetectOptions, {"radius": 2, "decoder": "set"}, {"decoder": "dense"}, "belongs to decoder: dense"),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_told(options, idle, needed, says):
    found = options(**idle).idle()
    assert list(found) == [next(iter(idle))] and says in found[next(iter(idle))]
    assert not options(**{**idle, **needed}).idle()
