"""Every score has a direction, and scoring needs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from unisono.metrics import (
    METRICS,
    higher_is_better,
    score_boxes,
    score_dense,
    score_hidden,
    score_labels,
    score_masks,
    score_matches,
    score_numbers,
    score_spans,
    score_speakers,
    score_spoken,
    score_tags,
    score_text,
    score_transcripts,
)

MASK = {"size": [1, 1], "runs": [[0, 1]], "names": {}, "void": []}
SOUND = {"bytes": bytes(range(200)) * 2}
SIZES: dict[str, object] = {"rate": 4000, "bands": 8, "low": 20, "high": 2000, "window": 64, "hop": 32, "floor": -16}
SIZES["pcm"] = {"rate": 4000}
HIDDEN = {
    "hidden": [{"at": 1, "was": "a", "said": [["a", 0.5]], "nats": 0.7}],
    "values": {"at": [2], "l1": 0.1, "squares": 0.2, "spread": 1.0},
}


def test_every_score_has_a_direction() -> None:
    scores = {
        **score_labels([{"label": "a"}], [{"label": "a"}]),
        **score_labels([{"labels": ["a"], "scores": {"a": 1.0}}] * 2, [{"label": ["a"]}, {"label": []}]),
        **score_numbers([{"value": 1.0}], [{"label": 1.0}]),
        **score_tags([{"tags": ["B-A"], "entities": []}], [{"tags": ["B-A"]}]),
        **score_spans([{"text": "a"}], [{"answers": [{"text": "a", "start": 0}]}]),
        **score_dense([{"size": [1, 2], "values": [0, 1], "void": []}], [{"mask": {"bytes": b"P5\n2 1\n255\n\0\1"}}]),
        **score_masks([MASK], [{"mask": {"bytes": b"P5\n1 1\n255\n\0"}}]),
        **score_boxes([{"boxes": []}], [{"boxes": [{"label": "a", "box": [0, 0, 1, 1]}]}]),
        **score_transcripts([{"text": "a b"}], [{"text": "a b"}]),
        **score_speakers(
            [{"label": s, "scores": {"x": 1, "y": 0}, "vector": [1.0, i]} for i, s in enumerate("xxyy")],
            [{"label": s} for s in "xxyy"],
        ),
        **score_matches([{"vectors": {"text": [1.0], "image": [1.0]}}], [{"text": "a", "image": "b"}]),
        **score_spoken([{"mel": [[0.0] * 8], "seconds": 1.0, "analysis": SIZES}], [{"audio": SOUND}]),
        **score_hidden([HIDDEN], [{}]),
        **score_text([{"text": "a", "language": "de"}], [{"target": {"de": "a"}}]),
    }
    assert {name.split("/")[0] for name in scores} - {"rows"} == METRICS.keys()
    assert {name for name in scores if name != "rows" and "/" not in name and not higher_is_better(name)} == {
        "rmse",
        "mae",
        "abs_rel",
        "wer",
        "cer",
        "eer",
        "median_rank",
        "mean_rank",
        "mel_distance",
        "length_error",
        "perplexity",
        "l1",
    }
    with pytest.raises(KeyError):
        higher_is_better("no such score")


def test_scores_import_nothing_large_before_they_are_asked() -> None:
    large = ("torch", "sklearn", "scipy", "sacrebleu")
    code = f"import sys, unisono.metrics; print([m for m in {large} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
