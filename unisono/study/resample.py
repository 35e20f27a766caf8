"""Resample: a task's score over any choice of its held-out rows, fast enough to ask for it a thousand times.

Scores that are a function of sums over rows are counted once a row and summed for each choice; any other score is
computed anew from the chosen rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from unisono.kinds import Kind
from unisono.metrics.entities import entities

Rows = Sequence[Mapping[str, Any]]
Scorer = Callable[[np.ndarray], float]  # (m,) places of rows, each any number of times -> the score over them


def scorer(kind: Kind, metric: str, predictions: Rows, golds: Rows) -> Scorer:
    """The kind's metric as a function of chosen rows.

    Args:
        predictions: what was predicted for each of the n rows. ``golds``: the rows.
    """
    make = _SUMMED.get((kind.name, metric))
    found = make(predictions, golds) if make else None
    if found is not None:
        counts, score = found  # (n, k)
        return lambda places: score(counts[places].sum(0))

    def anew(places: np.ndarray) -> float:
        scores = kind.score([predictions[i] for i in places], [golds[i] for i in places])
        return scores.get(metric, math.nan)

    return anew


Summed = tuple[np.ndarray, Callable[[np.ndarray], float]]  # (n, k) counts of each row, and the score of their sum (k,)


def _ratio(counts: np.ndarray) -> float:
    right, all_ = counts
    return float(right / all_) if all_ else math.nan


def _label_accuracy(predictions: Rows, golds: Rows) -> Summed | None:
    if any("label" not in said for said in predictions):
        return None
    pairs = [(said["label"], gold.get("label")) for said, gold in zip(predictions, golds, strict=True)]
    return np.array([[gold is not None and said == str(gold), gold is not None] for said, gold in pairs], float), _ratio


def _tag_accuracy(predictions: Rows, golds: Rows) -> Summed | None:
    counts = np.zeros((len(golds), 2))
    for at, (said, gold) in enumerate(zip(predictions, golds, strict=True)):
        known = [(a, b) for a, b in zip(said["tags"], gold.get("tags") or (), strict=False) if b is not None]
        counts[at] = sum(a == b for a, b in known), len(known)
    return counts, _ratio


def _entity_f1(predictions: Rows, golds: Rows) -> Summed | None:
    counts = np.zeros((len(golds), 2))
    for at, (said, gold) in enumerate(zip(predictions, golds, strict=True)):
        if gold.get("tags") is None or None in gold["tags"]:
            continue
        ours, theirs = entities(said["tags"]), entities(gold["tags"])
        counts[at] = 2 * len(set(ours) & set(theirs)), len(ours) + len(theirs)
    return counts, lambda sums: float(sums[0] / sums[1]) if sums[1] else 0.0


def _bleu(predictions: Rows, golds: Rows) -> Summed | None:
    """Corpus BLEU from the n-gram counts of sentences: Papineni et al. 2002 (https://aclanthology.org/P02-1040)."""
    if any(isinstance(gold.get("target"), Mapping) for gold in golds) or any(
        "text" not in said for said in predictions
    ):
        return None  # by language: the mean of several corpora
    from sacrebleu.metrics import BLEU

    # A sentence's counts do not depend on the effective order; asking for it keeps sacreBLEU from warning.
    sentence, order = BLEU(effective_order=True), BLEU().max_ngram_order
    counts = np.zeros((len(golds), 2 * order + 2))
    for at, (said, gold) in enumerate(zip(predictions, golds, strict=True)):
        if gold.get("target") is not None:
            one = sentence.sentence_score(said["text"], [gold["target"]])
            counts[at] = [*one.counts, *one.totals, one.sys_len, one.ref_len]

    def score(sums: np.ndarray) -> float:
        right, all_ = [int(n) for n in sums[:order]], [int(n) for n in sums[order : 2 * order]]
        lengths = {"sys_len": int(sums[-2]), "ref_len": int(sums[-1])}
        if not lengths["ref_len"]:
            return math.nan
        # As corpus_score does it: zero counts of an order are smoothed exponentially.
        return float(BLEU.compute_bleu(correct=right, total=all_, smooth_method="exp", **lengths).score)

    return counts, score


_SUMMED: dict[tuple[str, str], Callable[[Rows, Rows], Summed | None]] = {
    ("classify", "accuracy"): _label_accuracy,
    ("tag", "accuracy"): _tag_accuracy,
    ("tag", "f1"): _entity_f1,
    ("translate", "bleu"): _bleu,
}
