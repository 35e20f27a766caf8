"""Scores of labels: one a row (accuracy, macro F1, Matthews) or several (micro, macro F1, subset accuracy); ROC-AUC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled
from unisono.metrics.roc import roc_auc


def score_labels(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``label`` (or, where predictions hold several, ``labels``) with the rows' ``label``.

    One label: ``accuracy``, ``macro_f1`` (the mean over the labels that occur) and ``matthews`` (-1 to 1; Gorodkin 2004
    for more than two labels); between two labels also ``f1/LABEL`` of each and, where predictions have ``scores``,
    ``roc_auc``. Several: see ``score_label_sets``. All but ``matthews`` are fractions. ``rows`` counts the rows with a
    label; without any, there are no scores.
    """
    if predictions and "labels" in predictions[0]:
        return score_label_sets(predictions, rows)
    pairs = labelled(predictions, rows, "label")
    if not pairs:
        return {}
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    said, gold = [p["label"] for p, _ in pairs], [str(g) for _, g in pairs]
    names = sorted({*gold, *said})
    each = f1_score(gold, said, average=None, labels=names, zero_division=0) if len(names) == 2 else []
    return {
        "accuracy": float(accuracy_score(gold, said)),
        "macro_f1": float(f1_score(gold, said, average="macro", zero_division=0)),
        "matthews": float(matthews_corrcoef(gold, said)) if len(names) > 1 else 0.0,
        **{f"f1/{name}": float(value) for name, value in zip(names, each, strict=False)},
        **_between_two([p.get("scores", {}) for p, _ in pairs], gold),
        "rows": float(len(pairs)),
    }


def score_label_sets(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares sets of labels; gold is a list of the labels that hold, or label -> True, False or None (not known).

    ``micro_f1`` over all known pairs of row and label, ``macro_f1`` the mean over labels, ``subset_accuracy`` the share
    of rows with every known label right. A label that neither occurs nor is predicted has F1 0, as in scikit-learn.
    Where predictions have ``scores``: ``roc_auc/LABEL``, over the rows that say whether it holds, and ``roc_auc``, the
    mean over the labels of which some hold and some do not (as MoleculeNet scores tasks with missing labels: Wu et al.
    2018, https://doi.org/10.1039/C7SC02664A).
    """
    pairs = [(p, g) for p, g in labelled(predictions, rows, "label") if not _says_nothing(g)]
    if not pairs:
        return {}
    names = list(dict.fromkeys([n for p, g in pairs for n in (*p.get("scores", p["labels"]), *_named(g))]))
    column = {name: i for i, name in enumerate(names)}
    said = np.zeros((len(pairs), len(names)), dtype=bool)
    gold, known = np.zeros_like(said), np.zeros_like(said)
    for i, (prediction, labels) in enumerate(pairs):
        said[i, [column[n] for n in prediction["labels"]]] = True
        if isinstance(labels, Mapping):
            for name, holds in labels.items():
                gold[i, column[str(name)]] = bool(holds)
                known[i, column[str(name)]] = holds is not None
        else:
            gold[i, [column[n] for n in _named(labels)]] = True
            known[i] = True
    hits, said_n, gold_n = ((x & known).sum(0) for x in (said & gold, said, gold))
    return {
        "micro_f1": float(_f1(hits.sum(), said_n.sum(), gold_n.sum())),
        "macro_f1": float(np.mean([_f1(*counts) for counts in zip(hits, said_n, gold_n, strict=True)])),
        "subset_accuracy": float(((said == gold) | ~known).all(1).mean()),
        **_mean_auc([p.get("scores", {}) for p, _ in pairs], names, gold, known),
        "rows": float(len(pairs)),
    }


def _between_two(scores: Sequence[Mapping[str, float]], gold: Sequence[str]) -> Scores:
    """``roc_auc`` of one of two labels, which is that of the other."""
    names = sorted({name for row in scores for name in row})
    if len(names) != 2 or not set(gold) <= set(names) or not all(scores):
        return {}
    area = roc_auc(np.array([row[names[1]] for row in scores]), np.array(gold) == names[1])
    return {} if area is None else {"roc_auc": area}


def _mean_auc(
    scores: Sequence[Mapping[str, float]], names: Sequence[str], gold: np.ndarray, known: np.ndarray
) -> Scores:
    """``roc_auc`` and ``roc_auc/LABEL``. ``gold``, ``known``: (n, V) bool."""
    areas = {}
    for column, name in enumerate(names):
        rows = np.flatnonzero(known[:, column]).tolist()
        if all(name in scores[row] for row in rows):
            areas[name] = roc_auc(np.array([scores[row][name] for row in rows]), gold[rows, column])
    found = {name: area for name, area in areas.items() if area is not None}
    if not found:
        return {}
    return {"roc_auc": float(np.mean(list(found.values()))), **{f"roc_auc/{n}": a for n, a in sorted(found.items())}}


def _f1(hits: int, said: int, gold: int) -> float:
    return 2 * hits / (said + gold) if said + gold else 0.0


def _named(labels: Any) -> list[str]:
    return [str(n) for n in ([labels] if isinstance(labels, str) else labels)]


def _says_nothing(labels: Any) -> bool:
    return isinstance(labels, Mapping) and all(holds is None for holds in labels.values())
