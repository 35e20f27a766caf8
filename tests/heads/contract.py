"""Cases of heads, to run the promises of ``test_contract.py`` over. A new head is one more ``Case``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from unisono.heads import Example, Head, Options, Prediction, Row, Targets
from unisono.heads.caption import Answer, Caption
from unisono.heads.classify import Classify, ClassifyOptions
from unisono.heads.dense import Dense, DenseOptions
from unisono.heads.detect import DetectOptions
from unisono.heads.detect_dense import DetectDense
from unisono.heads.detect_set import DetectSet
from unisono.heads.heard import SpeakOptions
from unisono.heads.mask import Mask, MaskOptions
from unisono.heads.match import Match, MatchOptions
from unisono.heads.regress import Regress, RegressOptions
from unisono.heads.segment import Segment, SegmentOptions
from unisono.heads.span import Span, SpanOptions
from unisono.heads.speak import Speak
from unisono.heads.speaker import Speaker, SpeakerOptions
from unisono.heads.tag import Tag, TagOptions
from unisono.heads.transcribe import Transcribe, TranscribeOptions
from unisono.heads.translate import Translate
from unisono.heads.writer import WriterOptions
from unisono.packed import Layout, Packed

WIDTH = 16


def tokens(row: Row) -> dict[str, np.ndarray]:
    """What a text stem might make of a row: [CLS], one or two tokens a word, [SEP]."""
    words = row["tokens"] if "tokens" in row else row.get("text", row.get("source", "")).split()
    pieces = [1 + len(w) % 2 for w in words]
    first = 1 + np.cumsum([0, *pieces])[:-1]
    ids = np.arange(2 + sum(pieces), dtype=np.int32)
    return {"ids": ids, "words": first.astype(np.int32)} if "tokens" in row else {"ids": ids}


@dataclass(frozen=True)
class Case:
    """One head with one set of options, and rows to show it.

    Args:
        rows: 8 rows, all labelled.
        unlabelled: rows without any label, of other lengths.
        right: whether a prediction says what its row says, once the rows are learned by heart.
        steps: updates that suffice for learning them.
        against: the loss holds the rows of a batch against one another.
        told: what the stems say that the head has to know.
    """

    name: str
    head: type[Head]
    options: Options
    rows: Sequence[Row]
    unlabelled: Sequence[Row]
    right: Callable[[Prediction, Row], bool]
    steps: int = 80
    tokens: Callable[[Row], dict[str, np.ndarray]] = field(default=tokens)
    against: bool = False
    told: dict[str, Any] = field(default_factory=dict)

    def build(self) -> Head:
        """A fresh head of the same weights every time, fitted on the rows, set to evaluate."""
        torch.manual_seed(0)
        fitted = {**self.head.fit(iter([*self.rows, *self.unlabelled]), self.options), **self.told}
        fitted = json.loads(json.dumps(fitted))
        return self.head(WIDTH, self.options, fitted).eval()

    def batch(self, head: Head, rows: Sequence[Row]) -> tuple[Packed, Targets]:
        """Rows as a pack of states that need a gradient, and targets. A row's states depend on the row alone."""
        examples: list[Example] = []
        states: list[torch.Tensor] = []
        lengths: list[int] = []
        for row in rows:
            seen = self.tokens(row)
            own = seen.get("segments", np.array([len(seen["ids"])]))  # inputs that are apart: a sequence each
            if "segments" in seen:
                seen["sequences"] = np.where(own > 0, len(lengths) + np.cumsum(own > 0) - 1, -1).astype(np.int32)
            lengths += own[own > 0].tolist()
            examples.append({**seen, **head.encode(row, seen)})
            text = {k: v for k, v in row.items() if k not in head.labels_in}
            noise = torch.Generator().manual_seed(sum(map(ord, json.dumps(text))) * 1000 + len(seen["ids"]))
            states.append(torch.randn(len(seen["ids"]), WIDTH, generator=noise))
        values = torch.cat(states).requires_grad_()
        return Packed(values, Layout(lengths)), head.collate(examples)


TEXTS = ["a b", "c", "one two three", "x yy z", "seven words in a row of text", "p q", "mm", "last but one it is"]
BARE: list[Row] = [{"text": "no label here"}, {"text": "nor"}, {"text": "nor in this longer one"}]


def same(key: str, role: str = "label") -> Callable[[Prediction, Row], bool]:
    return lambda prediction, row: prediction[key] == row[role]


def _texts(labels: Sequence[Any]) -> list[Row]:
    return [{"text": t, "label": label} for t, label in zip(TEXTS, labels, strict=True)]


def _sentences(tags: Sequence[str]) -> list[Row]:
    words = [[f"{'w' * (1 + (i + j) % 4)}{i}" for j, _ in enumerate(t.split())] for i, t in enumerate(tags)]
    return [{"tokens": w, "tags": t.split()} for w, t in zip(words, tags, strict=True)]


_TARGETS: list[Row] = [{"source": t, "target": t.upper()[::-1]} for t in TEXTS]
_BARE_SOURCES: list[Row] = [{"source": row["text"]} for row in BARE]
_NAMES = _texts(["pos", "neg", "pos", "neutral", "neg", "neutral", "pos", "neg"])
_SETS = _texts([["a"], ["a", "b"], [], ["c"], ["b", "c"], ["a", "b", "c"], ["c"], []])
_PARTLY = _texts([{"a": True, "b": None}, {"a": False, "b": True}, *[{"a": None, "b": i % 2 == 0} for i in range(6)]])
_VALUES = _texts([1000.0, 1002.5, 998.0, 1001.0, 999.5, 1003.0, 1000.5, 997.0])
_BIO = _sentences(
    ["B-PER I-PER O", "O", "B-LOC B-LOC I-LOC O", "O O B-PER", "B-PER B-LOC", "O B-LOC I-LOC I-LOC", "B-LOC", "O O O O"]
)
_BIOES = _sentences(["B-A E-A O", "S-B", "O S-A S-A", "B-B I-B E-B", "O O", "B-A I-A I-A E-A", "S-A O S-B", "O"])
_POS = _sentences(["DET NOUN", "VERB", "DET ADJ NOUN VERB", "NOUN NOUN", "ADV", "DET NOUN VERB ADV", "X", "ADJ NOUN"])
_UNTAGGED: list[Row] = [{"tokens": ["no", "tags"]}, {"tokens": ["nor", "here", "at", "all"], "tags": None}]
_PARTLY_TAGGED: list[Row] = [
    {**row, "tags": [t if i != 1 else None for i, t in enumerate(row["tags"])]} for row in _BIO
]


_WRITE = WriterOptions(layers=1, heads=2, vocabulary=300, max_length=40, label_smoothing=0.0, beams=2)
_TRANSLATE = Translate.Options(layers=1, heads=2, vocabulary=300, max_length=40, label_smoothing=0.0, beams=2)


def _known_sets(prediction: Prediction, row: Row) -> bool:
    return all((name in prediction["labels"]) == holds for name, holds in row["label"].items() if holds is not None)


def _known_tags(prediction: Prediction, row: Row) -> bool:
    return all(t is None or p == t for p, t in zip(prediction["tags"], row["tags"], strict=True))


def _near(prediction: Prediction, row: Row) -> bool:
    return abs(prediction["value"] - row["label"]) < 0.1


def _patches(row: Row) -> dict[str, np.ndarray]:
    """What an image stem might make of a row: a start vector and patches of 2 x 2 pixels."""
    down, across = 2, 2 + len(row["image"]) % 2
    return {"ids": np.arange(1 + down * across), "grid": np.array([down, across, 2 * down, 2 * across], np.int32)}


def _mask(row: Row, seed: int) -> dict[str, bytes]:
    """A mask of 0, 3 and the void 9."""
    height, width = _patches(row)["grid"][2:].tolist()
    pixels = np.random.default_rng(seed).choice([0, 3, 9], height * width, p=[0.5, 0.4, 0.1]).astype(np.uint8)
    return {"bytes": b"P5\n%d %d\n255\n" % (width, height) + pixels.tobytes()}


def _one_of_them(prediction: Prediction, row: Row) -> bool:
    return prediction["text"] in row["caption"]


def _boxed(row: Row, seed: int) -> Row:
    """One or two objects that do not overlap, or none."""
    height, width = _patches(row)["grid"][2:].tolist()
    left = {"label": "ab"[seed % 2], "box": [0.0, 0.0, width / 2 - 0.5, float(height)]}
    right = {"label": "ab"[seed // 2 % 2], "box": [width / 2, 0.5, width - 0.5, height / 2 + 0.5]}
    return {**row, "boxes": [left, right][: seed % 3]}


def _same_boxes(prediction: Prediction, row: Row) -> bool:
    """The boxes of a good score are those of the row, up to a quarter of a pixel."""
    sure = sorted((b for b in prediction["boxes"] if b["score"] > 0.4), key=lambda b: b["box"][0])
    if [b["label"] for b in sure] != [b["label"] for b in row["boxes"]]:
        return False
    return all(np.allclose(a["box"], b["box"], atol=0.25) for a, b in zip(sure, row["boxes"], strict=True))


_QUERIES = DetectOptions(decoder="set", queries=4, layers=2, heads=2, feedforward=32)
_IMAGES: list[Row] = [{"image": "x" * (i + 1)} for i in range(8)]
_CAPTIONED: list[Row] = [
    {**row, "caption": [t, t][: 1 + i % 2]} for i, (row, t) in enumerate(zip(_IMAGES, TEXTS, strict=True))
]
_REPLIES: list[Row] = [{"text": t, "answer": t[::-1].upper()} for t in TEXTS]
_MASKED: list[Row] = [{**row, "mask": _mask(row, i)} for i, row in enumerate(_IMAGES)]
_BOXED: list[Row] = [_boxed(row, i) for i, row in enumerate(_IMAGES)]
_UNMASKED: list[Row] = [{"image": "x" * 20}, {"image": "x" * 21, "mask": None}]


def _like_the_mask(prediction: Prediction, row: Row) -> bool:
    from unisono.metrics.masks import score_masks

    return score_masks([prediction], [row])["pixel_accuracy"] > 0.9


def _like_the_map(prediction: Prediction, row: Row) -> bool:
    """What is said of a pixel of the decoder's map is what stands at its middle in the mask."""
    from unisono.pictures import nearest, values

    gold = nearest(values(row["mask"]), *prediction["size"]).flatten()
    known = ~np.isin(gold, prediction["void"])
    return bool(np.abs(np.array(prediction["values"]) - gold)[known].mean() < 0.5)


def _window(row: Row) -> dict[str, np.ndarray]:
    """What a text stem might make of a question and a context: a token a word."""
    begins = np.cumsum([0, *(len(w) + 1 for w in row["context"].split())])[:-1].astype(np.int32)
    ends = begins + np.array([len(w) for w in row["context"].split()], np.int32)
    first = 2 + len(row["question"].split())
    ids = np.arange(first + len(begins) + 1, dtype=np.int32)
    return {"ids": ids, "context": np.array([first], np.int32), "begins": begins, "ends": ends}


def _questions(answers: Sequence[str | None]) -> list[Row]:
    """Questions about one context of seven words; without an answer where that is None."""
    context = "blue whales eat krill near cold coasts"
    given = [[] if a is None else [{"text": a, "start": context.index(a)}] for a in answers]
    return [{"question": q, "context": context, "answers": a} for q, a in zip(TEXTS, given, strict=True)]


_ANSWERS = _questions(["krill", "blue whales", "near cold coasts", "eat", "cold", "blue", "coasts", "whales eat krill"])
_NO_ANSWERS = _questions(["krill", None, "cold coasts", "eat", None, "blue whales", None, "whales"])
_UNASKED: list[Row] = [{"question": r["text"], "context": "no one knows " * (1 + i)} for i, r in enumerate(BARE)]


def _answered(prediction: Prediction, row: Row) -> bool:
    if not row["answers"]:
        return bool(prediction["none"] > prediction["score"])
    return bool(row["context"][prediction["start"] : prediction["end"]] == row["answers"][0]["text"])


def _sound(row: Row) -> dict[str, np.ndarray]:
    """What an audio stem might make of a row whose sound is so many seconds, written as a text."""
    count = 2 + 4 * len(row["audio"])
    return {"ids": np.arange(count, dtype=np.int32), "steps": np.array([count], np.int32)}


_SPOKEN: list[Row] = [{"audio": f"{'s' * (3 + i % 4)}{i}", "text": t} for i, t in enumerate(TEXTS)]
_SPOKEN = [{**row, "text": row["text"][:9].strip()} for row in _SPOKEN]
_UNWRITTEN: list[Row] = [{"audio": "ss"}, {"audio": "sss", "text": None}, {"audio": "ssssss"}]
_VOICES: list[Row] = [{"audio": row["audio"], "label": "abc"[i % 3]} for i, row in enumerate(_SPOKEN)]

_SPEAK = SpeakOptions(
    rate=4000, bands=8, window=32, hop=16, seconds=2, hidden=16, layers=1, pcm={"rate": 4000}, dropout=0.0
)


def _tones(row: Row, seed: int) -> dict[str, bytes]:
    """A tone for each word, and a quiet one at the end, as raw samples."""
    draw = np.random.default_rng(seed)
    words = [draw.choice([300, 700, 1500]) for _ in tokens(row)["ids"]]
    samples = [np.sin(2 * np.pi * f / 4000 * np.arange(draw.integers(90, 200))) for f in words]
    return {"bytes": (np.concatenate(samples) * 8000).astype("<i2").tobytes()}


_SAID: list[Row] = [{**row, "speaker": "ab"[i % 2], "audio": _tones(row, i)} for i, row in enumerate(_texts("." * 8))]
_SAID = [{k: v for k, v in row.items() if k != "label"} for row in _SAID]
_UNHEARD: list[Row] = [{**BARE[0], "speaker": "b"}, BARE[1], {**BARE[2], "audio": None}]


def _sounds_alike(prediction: Prediction, row: Row) -> bool:
    from unisono.metrics.spoken import score_spoken

    return score_spoken([prediction], [row])["mel_fit"] > 0.6


def _sides(row: Row) -> dict[str, np.ndarray]:
    """What a text stem might make of two texts of a row, each a sequence of its own."""
    lengths = [2 + len(row[r].split()) if row.get(r) else 0 for r in ("text", "other")]
    return {"ids": np.arange(sum(lengths), dtype=np.int32), "segments": np.array(lengths, np.int32)}


_TWINS: list[Row] = [{"text": t, "other": t.upper()} for t in TEXTS]
_SCORED: list[Row] = [{**row, "score": float(i % 6)} for i, row in enumerate(_TWINS)]
_ALONE: list[Row] = [*BARE, {"other": "NOR HERE"}, {"text": "no other", "other": None}]
_UNSCORED: list[Row] = [*_ALONE, {"text": "both", "other": "BUT NO SCORE"}]


def _as_scored(prediction: Prediction, row: Row) -> bool:
    return abs(prediction["similarity"] - row["score"] / 5) < 0.1


def _hidden(row: Row) -> dict[str, np.ndarray]:
    """What is left of a row of which a part was hidden: symbols of a text, patches of an image, where it has them."""
    place, draw = len(row["text"]), np.random.default_rng(len(row["text"]))
    out = {"ids": np.arange(place + 3)}
    if "what" in row:
        out |= {"text_places": np.array([1, place + 1], np.int32), "text_known": np.array([row["what"], 2], np.int32)}
    if "patch" in row:
        out |= {"image_places": np.array([0], np.int32), "image_known": draw.random(4).astype(np.float32)}
    return out


def _said(prediction: Prediction, row: Row) -> bool:
    near = "patch" not in row or prediction["values"]["l1"] < 0.15
    return near and all(one["said"][0][0] == one["was"] for one in prediction["hidden"])


_SYMBOLS: list[Row] = [{"text": t, "what": i % 4} for i, t in enumerate(TEXTS)]
_PATCHES: list[Row] = [{"text": t, "patch": True} | ({"what": 3} if i % 3 else {}) for i, t in enumerate(TEXTS)]
_NAMED = {"symbols": ["a", "b", "c", "d"]}


CASES = [
    Case("classify", Classify, ClassifyOptions(), _NAMES, BARE, same("label")),
    Case("classify, mean", Classify, ClassifyOptions(pool="mean", layers=2, hidden=24), _NAMES, BARE, same("label")),
    Case("classify, balanced", Classify, ClassifyOptions(class_weights="balanced"), _NAMES, BARE, same("label")),
    Case("classify, smooth", Classify, ClassifyOptions(label_smoothing=0.1), _NAMES, BARE, same("label")),
    Case("classify, multi", Classify, ClassifyOptions(multi=True), _SETS, BARE, same("labels")),
    Case(
        "classify, partly", Classify, ClassifyOptions(multi=True, class_weights="balanced"), _PARTLY, BARE, _known_sets
    ),
    Case("mask", Mask, MaskOptions(), _SYMBOLS, BARE, _said, tokens=_hidden, told={"holds": {"text": _NAMED}}),
    Case(
        "mask, several",
        Mask,
        MaskOptions(),
        _PATCHES,
        BARE,
        _said,
        tokens=_hidden,
        told={"holds": {"text": _NAMED, "image": {"values": 4}}},
    ),
    Case(
        "match",
        Match,
        MatchOptions(),
        _TWINS,
        _ALONE,
        lambda said, row: said["similarity"] > 0.5,
        tokens=_sides,
        against=True,
    ),
    Case("match, scored", Match, MatchOptions(pool="first", size=24), _SCORED, _UNSCORED, _as_scored, tokens=_sides),
    Case("regress", Regress, RegressOptions(), _VALUES, BARE, _near),
    Case("regress, huber", Regress, RegressOptions(loss="huber", pool="mean"), _VALUES, BARE, _near),
    Case("detect", DetectDense, DetectOptions(), _BOXED, _UNMASKED, _same_boxes, tokens=_patches, steps=150),
    Case("detect, set", DetectSet, _QUERIES, _BOXED, _UNMASKED, _same_boxes, tokens=_patches, steps=140),
    Case(
        "segment", Segment, SegmentOptions(doublings=1, void=(9,)), _MASKED, _UNMASKED, _like_the_mask, tokens=_patches
    ),
    Case("dense", Dense, DenseOptions(doublings=1, void=(9.0,)), _MASKED, _UNMASKED, _like_the_map, tokens=_patches),
    Case(
        "dense, berhu",
        Dense,
        DenseOptions(doublings=0, loss="berhu"),
        _MASKED,
        _UNMASKED,
        _like_the_map,
        tokens=_patches,
    ),
    Case("span", Span, SpanOptions(), _ANSWERS, _UNASKED, _answered, tokens=_window),
    Case("span, no answer", Span, SpanOptions(layers=1), _NO_ANSWERS, _UNASKED, _answered, tokens=_window),
    Case("speaker", Speaker, SpeakerOptions(), _VOICES, _UNWRITTEN, same("label"), tokens=_sound),
    Case("speaker, first", Speaker, SpeakerOptions(pool="first"), _VOICES, _UNWRITTEN, same("label"), tokens=_sound),
    Case("speak", Speak, _SPEAK, _SAID, _UNHEARD, _sounds_alike, steps=150),
    Case("tag, BIO", Tag, TagOptions(), _BIO, _UNTAGGED, same("tags", "tags")),
    Case("tag, BIOES", Tag, TagOptions(layers=1, label_smoothing=0.05), _BIOES, _UNTAGGED, same("tags", "tags")),
    Case("tag, POS", Tag, TagOptions(), _POS, _UNTAGGED, same("tags", "tags")),
    Case("tag, CRF", Tag, TagOptions(crf=True), _BIO, _UNTAGGED, same("tags", "tags")),
    Case("tag, BIOES CRF", Tag, TagOptions(crf=True), _BIOES, _UNTAGGED, same("tags", "tags")),
    Case("tag, CRF partly", Tag, TagOptions(crf=True), _PARTLY_TAGGED, _UNTAGGED, _known_tags),
    Case("transcribe", Transcribe, TranscribeOptions(), _SPOKEN, _UNWRITTEN, same("text", "text"), 160, _sound),
    Case(
        "transcribe, best path",
        Transcribe,
        TranscribeOptions(layers=1, beams=1),
        _SPOKEN,
        _UNWRITTEN,
        same("text", "text"),
        160,
        _sound,
    ),
    Case(
        "transcribe, attention",
        Transcribe,
        TranscribeOptions(decoder="attention", decoder_layers=1, beams=2, max_length=16),
        _SPOKEN,
        _UNWRITTEN,
        same("text", "text"),
        260,
        _sound,
    ),
    Case("caption", Caption, _WRITE, _CAPTIONED, _UNMASKED, _one_of_them, tokens=_patches, steps=120),
    Case("answer", Answer, _WRITE, _REPLIES, BARE, same("text", "answer"), steps=120),
    Case("translate", Translate, _TRANSLATE, _TARGETS, _BARE_SOURCES, same("text", "target"), steps=120),
]
