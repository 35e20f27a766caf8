"""Scores of answers: exact match and F1 over words, as the official script of SQuAD 2.0 computes them.

Rajpurkar et al. 2018 (https://arxiv.org/abs/1806.03822); its evaluate-v2.0.py. For questions that all have an answer
they are the scores of SQuAD 1.1.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from unisono.metrics.gold import Prediction, Row, Scores, labelled

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def score_spans(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``text`` with the rows' ``answers``, a list of {text}; of several the best counts, an empty list means
    that an empty text is right.

    ``exact_match`` and ``f1`` are fractions, the means over questions. Where some have an answer and some have none,
    also ``f1/answerable``, ``f1/unanswerable`` and the same of ``exact_match``. ``rows`` counts the rows whose answers
    are known; without any, there are no scores.
    """
    pairs = labelled(predictions, rows, "answers")
    if not pairs:
        return {}
    exact, f1, answerable = [], [], []
    for prediction, answers in pairs:
        said, golds = normalized(prediction["text"]), [n for a in answers if (n := normalized(a["text"]))] or [""]
        exact.append(max(float(said == gold) for gold in golds))
        f1.append(max(_f1(said, gold) for gold in golds))
        answerable.append(bool(answers))
    scores = {"f1": _mean(f1), "exact_match": _mean(exact)}
    if len(set(answerable)) > 1:
        for name, values in (("f1", f1), ("exact_match", exact)):
            for part, wanted in (("answerable", True), ("unanswerable", False)):
                scores[f"{name}/{part}"] = _mean([v for v, a in zip(values, answerable, strict=True) if a is wanted])
    return {**scores, "rows": float(len(pairs))}


def score_answers(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``text`` with the rows' ``answer``, a text or a list of texts of which the best counts:
    ``exact_match`` and ``f1`` as above. An answer of which nothing is left ("A") is compared as it stands.
    """
    pairs = [(p["text"], [g] if isinstance(g, str) else g) for p, g in labelled(predictions, rows, "answer")]
    if not pairs:
        return {}
    exact = [max(float(_kept(said) == _kept(gold)) for gold in golds) for said, golds in pairs]
    f1 = [max(_f1(_kept(said), _kept(gold)) for gold in golds) for said, golds in pairs]
    return {"exact_match": _mean(exact), "f1": _mean(f1), "rows": float(len(pairs))}


def normalized(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, words apart by single blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _kept(text: str) -> str:
    return normalized(text) or " ".join(text.lower().split())


def _f1(said: str, gold: str) -> float:
    """Of texts that are normalized already."""
    ours, theirs = said.split(), gold.split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = (Counter(ours) & Counter(theirs)).total()
    return 2 * common / (len(ours) + len(theirs))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
