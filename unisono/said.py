"""said: a prediction of any kind as a line for a person. Only the command line uses it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

LEAST = 0.3  # boxes of a lower score are counted, but not told apart
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
_AROUND = 40  # characters of a context that are shown on either side of an answer
_MOST = 8  # labels of a line
_OTHERS = 0.05  # a label that came second or third is named when it is as probable as this


def said(prediction: Mapping[str, Any], given: Any, *, least: float = LEAST) -> Text:
    """One line.

    Args:
        prediction: what a head's ``predict`` gave.
        given: the input: a sentence, or role -> value.
        least: boxes of a lower score are left out.
    """
    if "entities" in prediction:
        return _entities(prediction, given)
    if "tags" in prediction:
        pairs = zip(_words(prediction, given), prediction["tags"], strict=False)
        return Text(" ").join(Text(word).append(f"/{tag}", style="dim cyan") for word, tag in pairs)
    if "boxes" in prediction:
        return _boxes(prediction["boxes"], least)
    if "runs" in prediction:
        return _shares(prediction["shares"])
    if "labels" in prediction:
        return _several(prediction)
    if "label" in prediction:
        return _one(prediction)
    if "start" in prediction and "text" in prediction:
        return _piece(prediction, given)
    if "text" in prediction:
        return Text(prediction["text"]) if prediction["text"] else Text("nothing", style="dim")
    if "similarity" in prediction:
        return _alike(prediction)
    if "mel" in prediction:
        voice = f" in the voice of {prediction['speaker']}" if prediction["speaker"] else ""
        return Text(f"{prediction['seconds']:.1f} s of sound{voice}")
    if "hidden" in prediction:
        return _hidden(prediction["hidden"])
    if "values" in prediction:
        of = prediction["values"]
        line = Text(f"{len(of['at'])} hidden")
        return line.append(f"   mean error {of['l1']:.2f} of a spread of 1", style="dim")
    if "value" in prediction:
        return Text(_number(prediction["value"]))
    return Text(json.dumps(prediction, ensure_ascii=False))


def heading(given: Any) -> Text:
    """The input as a line: a sentence, a file's name, or each role with its value."""
    if isinstance(given, str):
        return Text(given, style="bold")
    parts = []
    for role, value in given.items():
        shown = " ".join(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value
        shown = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, default=str)
        shown = shown if len(shown) <= 160 else shown[:150] + " …"
        parts.append(Text().append(f"{role}: ", style="dim").append(shown, style="bold"))
    return Text("  ").join(parts)


def _entities(prediction: Mapping[str, Any], given: Any) -> Text:
    """The words as they were, each entity in brackets with its type, and in the colour of its type."""
    words, entities = _words(prediction, given), prediction["entities"]
    kinds = sorted({e["type"] for e in entities})
    starts = {e["start"]: e for e in entities}
    ends = {e["end"] - 1: e for e in entities}
    out = Text()
    for at, (gap, word) in enumerate(zip(_gaps(words, given), words, strict=True)):
        inside = next((e for e in entities if e["start"] <= at < e["end"]), None)
        style = f"bold {_COLOURS[kinds.index(inside['type']) % len(_COLOURS)]}" if inside else ""
        out.append(gap, style=style if inside and at not in starts else "")
        out.append("[" if at in starts else "", style="dim").append(word, style=style)
        if at in ends:
            out.append(f" {ends[at]['type']}", style=style.removeprefix("bold ")).append("]", style="dim")
    return out if entities else Text("no entities", style="dim")


def _words(prediction: Mapping[str, Any], given: Any) -> list[str]:
    if "words" in prediction:
        return list(prediction["words"])
    if isinstance(given, str):
        return given.split()
    words = given.get("tokens") or next((v for v in given.values() if isinstance(v, str)), "")
    return words.split() if isinstance(words, str) else list(words)


def _gaps(words: Sequence[str], given: Any) -> list[str]:
    """What stands before each word in a sentence; of words that came alone, spaces."""
    gaps, place = [], 0
    for at, word in enumerate(words):
        found = given.find(word, place) if isinstance(given, str) else -1
        gaps.append(given[place:found] if found >= 0 else " " if at else "")
        place = found + len(word) if found >= 0 else place
    return gaps


def _boxes(boxes: Sequence[Mapping[str, Any]], least: float) -> Text:
    counts = Counter(b["label"] for b in boxes if b["score"] >= least)
    line = Text(" · ").join(Text(f"{count} {name}") for name, count in counts.most_common())
    rest = len(boxes) - counts.total()
    unsure = f"{rest} of a score below {least:g}" if rest else ""
    if not counts:
        return Text("no boxes" + (f"; {unsure}" if unsure else ""), style="dim")
    return line.append(f"   and {unsure}" if unsure else "", style="dim")


def _hidden(hidden: Sequence[Mapping[str, Any]]) -> Text:
    """What is said of each hidden place, and what was there, where that is known."""
    places = []
    for one in hidden:
        line = Text(" ").join(Text(s.strip()).append(f" {p:.2f}", style="dim") for s, p in one["said"])
        places.append(line if one["was"] is None else line.append(f" (was {one['was'].strip()})", style="dim"))
    return Text(" · ").join(places) if places else Text("nothing hidden", style="dim")


def _shares(shares: Mapping[str, float]) -> Text:
    largest = sorted(shares.items(), key=lambda pair: -pair[1])[:6]
    return Text(" · ").join(Text(name).append(f" {share:.0%}", style="dim") for name, share in largest if share >= 5e-3)


def _one(prediction: Mapping[str, Any]) -> Text:
    line = Text(prediction["label"])
    if "score" in prediction:
        line.append(f" {prediction['score']:.2f}", style="dim")
    others = sorted(prediction.get("scores", {}).items(), key=lambda pair: -pair[1])
    for name, score in [pair for pair in others if pair[0] != prediction["label"]][:2]:
        line.append(f" · {name} {score:.2f}" if score >= _OTHERS else "", style="dim")
    return line


def _several(prediction: Mapping[str, Any]) -> Text:
    scores = prediction["scores"]
    if prediction["labels"]:
        surest = sorted(prediction["labels"], key=lambda name: -scores[name])
        line = Text(", ").join(Text(n).append(f" {scores[n]:.2f}", style="dim") for n in surest[:_MOST])
        return line.append(f" and {len(surest) - _MOST} more" if len(surest) > _MOST else "", style="dim")
    best = max(scores, key=lambda name: scores[name])
    return Text("none").append(f"   nearest: {best} {scores[best]:.2f}", style="dim")


def _piece(prediction: Mapping[str, Any], given: Any) -> Text:
    """An answer, and where it stands."""
    start, end = prediction["start"], prediction["end"]
    if start is None:
        return Text("no answer", style="dim")
    line = Text().append(prediction["text"], style="bold green")
    context = given.get("context") if isinstance(given, Mapping) else None
    if isinstance(context, str):
        before, after = context[:start], context[end:]
        line.append("   in: ", style="dim").append(_end_of(before), style="dim").append(
            f"[{context[start:end]}]", "green"
        )
        line.append(_end_of(after[::-1])[::-1], style="dim")
    return line


def _alike(prediction: Mapping[str, Any]) -> Text:
    """How alike two inputs are, from -1 to 1; of one input alone there is its vector, which --json shows."""
    if prediction["similarity"] is not None:
        return Text(f"{prediction['similarity']:.2f}")
    (role, vector), *_ = prediction["vectors"].items()
    return Text(f"{role}: a vector of {len(vector)} numbers", style="dim")


def _end_of(text: str) -> str:
    """Its last few words, with a mark where something was left out."""
    if len(text) <= _AROUND:
        return text.replace("\n", " ")
    some = text[-_AROUND:].replace("\n", " ")
    return "… " + (some.split(" ", 1)[1] if " " in some[:-1] else some)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
