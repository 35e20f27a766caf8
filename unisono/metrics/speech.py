"""Scores of speech: word and character error rates of transcripts, accuracy and equal error rate of speakers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled

_MOST = 2_000  # recordings of which all pairs are compared


class NotInstalled(ImportError):
    """A package of the extra ``audio`` is missing; the message has the command."""


def score_transcripts(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``text`` with the rows' ``text`` by jiwer: ``wer`` and ``cer``, errors over all words (characters) of
    all rows together, which can exceed 1; ``word_accuracy`` is 1 - ``wer``.

    Upper and lower case differ, and so do signs. ``rows`` counts the rows with a text; without any, no scores.

    Raises:
        NotInstalled: jiwer.
    """
    pairs = [(p["text"], gold) for p, gold in labelled(predictions, rows, "text") if gold.strip()]
    if not pairs:
        return {}
    try:
        import jiwer
    except ImportError as error:
        raise NotInstalled(f'transcripts are scored by jiwer ({error}); pip install "unisono[audio]"') from None
    said, gold = [" ".join(s.split()) for s, _ in pairs], [" ".join(g.split()) for _, g in pairs]
    wer = float(jiwer.wer(gold, said))
    return {"wer": wer, "cer": float(jiwer.cer(gold, said)), "word_accuracy": 1 - wer, "rows": float(len(pairs))}


def score_speakers(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """``accuracy`` over the recordings of speakers that have a class, and ``eer`` over all pairs of recordings: do they
    have one speaker? Pairs are judged by the inner product of their ``vector``, speakers without a class included.

    Of more than 2,000 recordings, so many evenly spread ones are paired.
    """
    pairs = labelled(predictions, rows, "label")
    if not pairs:
        return {}
    out: Scores = {}
    known = [(p["label"], str(gold)) for p, gold in pairs if str(gold) in p["scores"]]
    if known:
        out["accuracy"] = sum(a == b for a, b in known) / len(known)
    some = [pairs[i * len(pairs) // _MOST] for i in range(_MOST)] if len(pairs) > _MOST else pairs
    vectors = np.array([p["vector"] for p, _ in some], np.float32)
    _, who = np.unique([str(gold) for _, gold in some], return_inverse=True)
    one, other = np.triu_indices(len(some), 1)
    eer = equal_error_rate((vectors @ vectors.T)[one, other], who[one] == who[other])
    if eer is not None:
        out["eer"] = eer
    return {**out, "rows": float(len(pairs))}


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float | None:
    """The share of errors at the threshold where as many equal pairs are refused as different ones are accepted.

    Between two thresholds both shares are taken to change in a straight line.

    Args:
        scores: (n,) higher for pairs that look equal. ``same``: (n,) whether they are.

    Returns:
        None when all pairs are equal, or all different.
    """
    equal = int(same.sum())
    different = len(same) - equal
    if not equal or not different:
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # pairs of one score are accepted together
    accepted = np.cumsum(same[order])[ends]
    false = np.concatenate([[0.0], (ends + 1 - accepted) / different])  # different pairs accepted, rising from 0 to 1
    missed = np.concatenate([[1.0], 1 - accepted / equal])  # equal pairs refused, falling from 1 to 0
    at = int(np.argmax(false >= missed))  # the first threshold past the crossing
    gap, before = false[at] - missed[at], missed[at - 1] - false[at - 1]
    share = before / (before + gap)
    return float(false[at - 1] + share * (false[at] - false[at - 1]))
