"""Scores of matching: how often the right partner is among the k nearest, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled
from unisono.metrics.numbers import score_numbers

_AT = (1, 5, 10)
_AT_ONCE = 1 << 22  # similarities in memory at a time


def score_matches(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Where rows have a ``score``: the correlations ``pearson`` and ``spearman`` of ``similarity`` with it.

    Otherwise every input is asked for its partners among all inputs of the other role, equal ones counted once:
    ``recall@k`` is the share for which one of them is among the k nearest (Karpathy & Fei-Fei 2015,
    https://arxiv.org/abs/1412.2306, section 4.2); ``median_rank`` and ``mean_rank`` say where the first stands, from 1.
    Each is the mean of both directions, which are ``recall@1/text-image`` (the text given, the image sought) and so on.
    Of equal similarities the wrong one counts as nearer. An input without a partner is only sought among. ``rows``
    counts the rows with two inputs; without any, no scores.
    """
    scored = labelled(predictions, rows, "score")
    if scored:
        both = [(p["similarity"], score) for p, score in scored if p["similarity"] is not None]
        found = score_numbers([{"value": said} for said, _ in both], [{"label": score} for _, score in both])
        return {name: found[name] for name in ("pearson", "spearman", "rows") if name in found}
    places: dict[str, dict[Any, int]] = {}  # role -> input -> its number
    vectors: dict[str, list[Sequence[float]]] = {}
    pairs_of: list[tuple[int, ...]] = []
    roles: list[str] = []
    for prediction, row in zip(predictions, rows, strict=True):
        numbers = []
        for role, vector in prediction["vectors"].items():
            own = places.setdefault(role, {})
            number = own.setdefault(_key(row[role]), len(own))
            if number == len(vectors.setdefault(role, [])):
                vectors[role].append(vector)
            numbers.append(number)
        if len(numbers) == 2:
            roles = list(prediction["vectors"])
            pairs_of.append(tuple(numbers))
    if not pairs_of:
        return {}
    pairs = np.unique(np.array(pairs_of), axis=0)  # (P, 2)
    one, other = (np.array(vectors[role], np.float32) for role in roles)
    ways = {
        f"{roles[0]}-{roles[1]}": _scores(ranks(one, other, pairs)),
        f"{roles[1]}-{roles[0]}": _scores(ranks(other, one, pairs[:, ::-1])),
    }
    out = {name: sum(way[name] for way in ways.values()) / 2 for name in next(iter(ways.values()))}
    parts = {f"{name}/{way}": value for way, own in ways.items() for name, value in own.items()}
    return {**out, **parts, "rows": float(len(pairs_of))}


def ranks(queries: np.ndarray, candidates: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(q,) the rank from 1 of the nearest partner of each query that has one, in the order of queries.

    Args:
        queries: (n, E). ``candidates``: (m, E). ``pairs``: (P, 2) which belong together.
    """
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    asked, first = np.unique(pairs[:, 0], return_index=True)
    ends = np.append(first[1:], len(pairs))
    step = max(1, _AT_ONCE // len(candidates))
    return np.concatenate(
        [
            _ranks(
                queries[asked[at : at + step]] @ candidates.T, pairs[:, 1], first[at : at + step], ends[at : at + step]
            )
            for at in range(0, len(asked), step)
        ]
    )


def _ranks(similar: np.ndarray, partners: np.ndarray, first: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Similarities (q, m), and where each query's partners stand in ``partners`` -> (q,)."""
    lengths = ends - first
    rows = np.repeat(np.arange(len(first)), lengths)
    columns = np.concatenate([partners[a:b] for a, b in zip(first, ends, strict=True)])
    best = np.full(len(first), -np.inf, similar.dtype)
    np.maximum.at(best, rows, similar[rows, columns])
    similar[rows, columns] = -np.inf
    out: np.ndarray = 1 + (similar >= best[:, None]).sum(1)
    return out


def _scores(found: np.ndarray) -> Scores:
    recalls = {f"recall@{k}": float((found <= k).mean()) for k in _AT}
    return {**recalls, "median_rank": float(np.median(found)), "mean_rank": float(found.mean())}


def _key(value: Any) -> Any:
    """What equal inputs share: a text, or a file's bytes or name."""
    return (value.get("bytes") or value.get("path")) if isinstance(value, Mapping) else value
