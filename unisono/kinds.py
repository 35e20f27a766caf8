"""Kinds: input roles + head + metrics, under the name that a recipe says. The registry and its plug-in entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from unisono import metrics
from unisono.data import Role
from unisono.heads import Head, Prediction, Row
from unisono.heads.caption import Answer, Caption
from unisono.heads.classify import Classify, ClassifyOptions
from unisono.heads.dense import Dense
from unisono.heads.detect_dense import DetectDense
from unisono.heads.mask import Mask
from unisono.heads.match import Match
from unisono.heads.regress import Regress
from unisono.heads.segment import Segment
from unisono.heads.span import Span
from unisono.heads.speak import Speak
from unisono.heads.speaker import Speaker
from unisono.heads.tag import Tag
from unisono.heads.transcribe import Transcribe
from unisono.heads.translate import Translate

Score = Callable[[Sequence[Prediction], Sequence[Row]], dict[str, float]]


@dataclass(frozen=True)
class Kind:
    """What a ``kind:`` in a recipe stands for.

    Args:
        name: as written in the recipe.
        head: the decoder; its ``Options`` are what ``head:`` may say.
        inputs: role -> what it holds, for the roles that the stem reads.
        labels: role -> what it holds, for the roles that the head learns.
        score: predictions and rows -> metrics; rows without a label are left out.
        main: the metric that decides which checkpoint is best, higher being better: the first of these that was scored.
        words: the input is already split into words.
        windows: a long context is cut into windows that overlap by the head's option ``stride``: examples of one row.
        any_input: rows bring the inputs that the recipe names columns for, in place of the required ones.
        apart: a row has two inputs, and each is a sequence of its own: they do not see each other in the trunk.
        told: role -> what it holds, for what a row may tell the head beside its inputs, also when predicting.
        scored: the head's options -> the metrics that ``score`` may give, of which a recipe may choose the main one;
            ``f1/*`` for those of a label each. None: not known.
    """

    name: str
    head: type[Head]
    inputs: Mapping[str, Role]
    labels: Mapping[str, Role]
    score: Score
    main: tuple[str, ...]
    words: bool = False
    windows: bool = False
    any_input: bool = False
    apart: bool = False
    told: Mapping[str, Role] = field(default_factory=dict)
    scored: Callable[[Any], Sequence[str]] | None = None

    def gives(self, metric: str, options: Any) -> bool:
        """Whether ``score`` may give a metric, as far as is known."""
        known = [metric] if self.scored is None else self.scored(options)
        return metric in known or (f"{metric.partition('/')[0]}/*" in known and "/" in metric)


def _of_labels(options: ClassifyOptions) -> Sequence[str]:
    both = ("macro_f1", "roc_auc")
    if options.multi:
        return ("micro_f1", "subset_accuracy", *both, "roc_auc/*")
    return ("accuracy", "matthews", *both, "f1/*")


def _named(*names: str) -> Callable[[Any], Sequence[str]]:
    return lambda options: names


def builtin_kinds() -> tuple[Kind, ...]:
    text, pair = Role("text", required=True), Role("text", required=False)
    others = {kind: Role(kind, required=False) for kind in ("image", "audio", "sequence")}
    others["table"] = Role("record", required=False)
    return (
        Kind(
            "classify",
            Classify,
            {"text": text, "pair": pair, **others},
            {"label": Role("label")},
            metrics.score_labels,
            ("accuracy", "micro_f1"),
            any_input=True,
            scored=_of_labels,
        ),
        Kind(
            "regress",
            Regress,
            {"text": text, "pair": pair, **others},
            {"label": Role("number")},
            metrics.score_numbers,
            ("spearman",),
            any_input=True,
            scored=_named("pearson", "spearman", "rmse", "mae"),
        ),
        Kind(
            "mask",
            Mask,
            {"text": text, "pair": pair, **others},
            {},
            metrics.score_hidden,
            ("accuracy", "r2"),
            any_input=True,
            scored=_named("accuracy", "perplexity", "l1", "r2"),
        ),
        Kind(
            "tag",
            Tag,
            {"tokens": Role("tokens", required=True)},
            {"tags": Role("tags")},
            metrics.score_tags,
            ("f1", "accuracy"),
            words=True,
            scored=_named("accuracy", "f1", "precision", "recall", "f1/*"),
        ),
        Kind(
            "translate",
            Translate,
            {"source": text},
            {"target": Role("text", required=False)},
            metrics.score_text,
            ("bleu",),
            scored=_named("bleu", "chrf", "bleu/*", "chrf/*"),
        ),
        Kind(
            "caption",
            Caption,
            {**others, "image": Role("image", required=True), "text": pair, "pair": pair},
            {"caption": Role("references")},
            metrics.score_captions,
            ("bleu",),
            any_input=True,
            scored=_named("bleu", "chrf"),
        ),
        Kind(
            "answer",
            Answer,
            {"question": text, "context": pair, **others},
            {"answer": Role("references")},
            metrics.score_answers,
            ("exact_match",),
            any_input=True,
            scored=_named("exact_match", "f1"),
        ),
        Kind(
            "span",
            Span,
            {"question": text, "context": text},
            {"answers": Role("answers")},
            metrics.score_spans,
            ("f1",),
            windows=True,
            scored=_named("f1", "exact_match", "f1/*", "exact_match/*"),
        ),
        Kind(
            "detect",
            DetectDense,  # or DetectSet: see Detect.make
            {"image": Role("image", required=True)},
            {"boxes": Role("boxes")},
            metrics.score_boxes,
            ("map50",),
            scored=_named("map", "map50", "ap50/*"),
        ),
        Kind(
            "segment",
            Segment,
            {"image": Role("image", required=True)},
            {"mask": Role("mask")},
            metrics.score_masks,
            ("miou",),
            scored=_named("miou", "pixel_accuracy", "iou/*"),
        ),
        Kind(
            "dense",
            Dense,
            {"image": Role("image", required=True)},
            {"mask": Role("mask")},
            metrics.score_dense,
            ("r2",),
            scored=_named("r2", "rmse", "mae", "abs_rel"),
        ),
        Kind(
            "transcribe",
            Transcribe,
            {"audio": Role("audio", required=True)},
            {"text": Role("text", required=False)},
            metrics.score_transcripts,
            ("word_accuracy",),
            scored=_named("word_accuracy", "wer", "cer"),
        ),
        Kind(
            "match",
            Match,
            {"text": text, "other": text, **others},
            {"score": Role("number", required=False)},
            metrics.score_matches,
            ("recall@1", "spearman"),
            any_input=True,
            apart=True,
            scored=_named(
                *(f"recall@{k}{way}" for k in (1, 5, 10) for way in ("", "/*")),
                "median_rank",
                "median_rank/*",
                "mean_rank",
                "mean_rank/*",
                "pearson",
                "spearman",
            ),
        ),
        Kind(
            "speaker",
            Speaker,
            {"audio": Role("audio", required=True)},
            {"label": Role("label")},
            metrics.score_speakers,
            ("accuracy",),
            scored=_named("accuracy", "eer"),
        ),
        Kind(
            "speak",
            Speak,
            {"text": text, "sequence": others["sequence"]},
            {"audio": Role("audio", required=False)},
            metrics.score_spoken,
            ("mel_fit",),
            any_input=True,
            scored=_named("mel_fit", "mel_distance", "length_error"),
            told={"speaker": Role("label", required=False)},
        ),
    )


@cache
def kinds() -> dict[str, Kind]:
    """Name -> kind: ours, then those of installed packages (entry points ``unisono.kinds``)."""
    out: dict[str, Kind] = {}
    for kind in builtin_kinds():
        _register(out, kind)
    for point in entry_points(group="unisono.kinds"):
        _register(out, point.load())
    return out


def _register(registry: dict[str, Kind], kind: Kind) -> None:
    if kind.name in registry:
        raise ValueError(f'two kinds of task are named "{kind.name}": {registry[kind.name].head} and {kind.head}')
    registry[kind.name] = kind
